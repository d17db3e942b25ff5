"""What is sent to and read from a host store: arguments checked, and scopes as they are stored.

A scope is stored under a letter for its kind and its name. Heads and rows are stored behind their length and a line
feed, so that one which was cut short is not taken for another one.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import Any

from redis_mob.codec.arguments import flag, instance, integer, listed, member, text
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import InternalError, SerializationError, ValidationError, shortened, shown
from redis_mob.models.base import MOST_COUNTED
from redis_mob.models.host import (
    MAX_BATCH_BYTES,
    MAX_BATCH_PARTS,
    MAX_COMMIT_ID_BYTES,
    MAX_LEASE,
    MAX_ROW_BYTES,
    MAX_SCOPE_NAME_BYTES,
    MIN_RENEW_INTERVAL,
    MIN_RENEWALS,
    CommitBatch,
    FenceTiming,
    ScopeKind,
    ScopeRef,
    ScopeUpdate,
)

LETTERS = {ScopeKind.SESSION: b"s", ScopeKind.IDENTITY: b"i", ScopeKind.MOB: b"m", ScopeKind.RECORD: b"r"}
"""What the field of a scope begins with, by its kind."""


def scope_field(scope: ScopeRef) -> bytes:
    """Under what a scope is stored. Raises ValidationError or InternalError for one that is none."""
    instance("scope", scope, ScopeRef)
    return kind_letter(scope.kind) + name_of_scope("name", scope.name).encode()


def kind_letter(kind: ScopeKind) -> bytes:
    """What the fields of all scopes of a kind begin with."""
    return LETTERS[member("kind", kind, ScopeKind)]


def name_of_scope(argument: str, name: str) -> str:
    """A name that a scope may have."""
    return _bounded(argument, "the name of a scope", name, MAX_SCOPE_NAME_BYTES)


def decode_scope_name(field: bytes) -> str:
    """The name in the field of a scope. Raises SerializationError."""
    try:
        return field[1:].decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the scope {shown(field)} cannot be read: its name is no UTF-8") from error


def token_of(name: str, token: object) -> int:
    """A fencing token."""
    return _number(name, token, 1)


def limit_of(limit: object) -> int:
    """How many scopes or rows a read gives. Raises InternalError for less than one."""
    return _number("limit", limit, 1)


def index_of(name: str, index: object) -> int:
    """The index of a row."""
    return _number(name, index, 0)


def checked_timing(timing: FenceTiming) -> FenceTiming:
    """A timing within its bounds. Raises ValidationError naming what is outside of them (contract: host-4)."""
    instance("timing", timing, FenceTiming)
    for name in ("renew_interval", "lease", "self_fence_margin", "max_commit_latency"):
        instance(name, getattr(timing, name), timedelta)
    interval, lease = timing.renew_interval, timing.lease
    _within("renew_interval", interval, MIN_RENEW_INTERVAL, MAX_LEASE / MIN_RENEWALS)
    _within("lease", lease, MIN_RENEWALS * interval, MAX_LEASE)
    _within("self_fence_margin", timing.self_fence_margin, interval, lease - 2 * interval)
    _within("max_commit_latency", timing.max_commit_latency, timedelta(milliseconds=1), lease)
    return timing


def milliseconds(time: timedelta) -> int:
    """A time in whole milliseconds, rounded up: no lease is shorter than it was said to be."""
    return -(time // timedelta(milliseconds=-1))


def checked_batch(batch: CommitBatch) -> tuple[CommitBatch, list[tuple[bytes, ScopeUpdate]]]:
    """The batch with plain texts, numbers and tuples, and its updates, each with the field of its scope.

    Raises ValidationError for an argument of another type, InternalError for a batch that breaks a limit or says what
    cannot be done (contract: host-9).
    """
    instance("batch", batch, CommitBatch)
    commit_id = _bounded("commit_id", "a commit id", batch.commit_id, MAX_COMMIT_ID_BYTES)
    fence = token_of("fence", batch.fence)
    updates: dict[bytes, ScopeUpdate] = {}
    for given in listed("updates", batch.updates):
        update = instance("update", given, ScopeUpdate)
        field = scope_field(update.scope)
        if field in updates:
            raise InternalError(f"commit {_said(batch)} names {_told(update)} twice: put both changes into one update")
        updates[field] = _checked_update(update)
    if not updates:
        raise InternalError(f"commit {_said(batch)} has no update: a batch changes at least one scope")
    rows = sum(len(update.append) for update in updates.values())
    size = sum(len(update.head or b"") + sum(map(len, update.append)) for update in updates.values())
    if size > MAX_BATCH_BYTES:
        raise InternalError(
            f"commit {_said(batch)} has {size:,} bytes of heads and rows; a batch has at most {MAX_BATCH_BYTES:,}"
        )
    if max(rows, len(updates)) > MAX_BATCH_PARTS:
        raise InternalError(
            f"commit {_said(batch)} has {len(updates):,} scopes and {rows:,} rows; a batch has at most "
            f"{MAX_BATCH_PARTS:,} of each"
        )
    return CommitBatch(commit_id, fence, tuple(updates.values())), list(updates.items())


def _checked_update(given: ScopeUpdate) -> ScopeUpdate:
    where = _told(given)
    update = ScopeUpdate(
        given.scope,
        None if given.previous is None else _number("previous", given.previous, 1, MOST_COUNTED - 1),
        None if given.head is None else instance("head", given.head, bytes),
        tuple(listed("append", given.append)),
        _optional_index("truncate_after", given.truncate_after),
        _optional_index("drop_before", given.drop_before),
        flag("delete", given.delete),
    )
    for row in update.append:
        if len(instance("row", row, bytes)) > MAX_ROW_BYTES:
            raise InternalError(f"{where}: a row has {len(row):,} bytes; one has at most {MAX_ROW_BYTES:,}")
    removes = update.truncate_after is not None or update.drop_before is not None
    if update.delete:
        if update.previous is None:
            raise InternalError(f"{where}: a batch cannot create and delete a scope; `previous` is its version")
        if update.head is not None or update.append or removes:
            raise InternalError(f"{where}: what is deleted is not changed otherwise")
    elif update.previous is None:
        if update.head is None:
            raise InternalError(f"{where}: a new scope needs a head; without `previous` a scope is created")
        if removes:
            raise InternalError(f"{where}: a new scope has no rows that could be removed")
    return update


def _optional_index(name: str, index: int | None) -> int | None:
    return None if index is None else index_of(name, index)


def digest_of(updates: list[tuple[bytes, ScopeUpdate]]) -> bytes:
    """What two batches share that say the same of the same scopes, in any order; who writes does not matter."""
    digest = blake2b(digest_size=16)
    for field, update in sorted(updates, key=lambda pair: pair[0]):
        head = b"-" if update.head is None else blake2b(update.head, digest_size=16).hexdigest().encode()
        rows = blake2b(digest_size=16)
        for row in update.append:
            rows.update(b"%d\n" % len(row))
            rows.update(row)
        numbers = (update.previous, update.truncate_after, update.drop_before, int(update.delete), len(update.append))
        digest.update(b"%d\n%b%b %b " % (len(field), field, head, rows.hexdigest().encode()))
        digest.update(" ".join("-" if number is None else str(number) for number in numbers).encode() + b"\n")
    return digest.hexdigest().encode()


def encode_bytes(content: bytes) -> Payload:
    """A head or a row as it is stored; it stays on the server."""
    return payload(b"%d\n%b" % (len(content), content), stays=True)


def decode_bytes(what: str, stored: bytes) -> bytes:
    """A head or a row. Raises SerializationError, saying what it is."""
    length, _, content = stored.partition(b"\n")
    if not length.isdigit() or int(length) != len(content):
        raise SerializationError(f"{what} is damaged: it has {len(content)} bytes, and should have {shown(length)}")
    return content


def encode_update(field: bytes, update: ScopeUpdate) -> list[Any]:
    """One update as lua/host/commit.lua takes it."""
    return [
        field,
        _optional(update.previous),
        b"" if update.head is None else encode_bytes(update.head),
        _optional(update.truncate_after),
        _optional(update.drop_before),
        int(update.delete),
        len(update.append),
        *map(encode_bytes, update.append),
    ]


def _optional(number: int | None) -> int | bytes:
    return b"" if number is None else number


def _number(name: str, value: object, least: int, most: int = MOST_COUNTED) -> int:
    number = integer(name, value)
    if not least <= number <= most:
        raise InternalError(f"{name} is {shown(number)}; it is at least {least}, and at most {most}")
    return number


def _bounded(argument: str, what: str, value: str, most: int) -> str:
    given = text(argument, value)
    length = len(given.encode())
    if not 0 < length <= most:
        raise InternalError(f"{argument} {shown(given)} has {length} bytes; {what} has 1 to {most}")
    if any(ord(letter) < 0x20 or 0x7F <= ord(letter) <= 0x9F for letter in given):
        raise InternalError(f"{argument} {shown(given)} has a control character; {what} has none")
    return given


def _within(name: str, value: timedelta, least: timedelta, most: timedelta) -> None:
    if not least <= value <= most:
        raise ValidationError(f"{name} is {value}; with the other times it is at least {least}, and at most {most}")


def _said(batch: CommitBatch) -> str:
    return shown(batch.commit_id)


def _told(update: ScopeUpdate) -> str:
    return shortened(update.scope)
