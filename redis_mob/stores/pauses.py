"""Pauses on Redis: each method encodes, calls a script, and reads its reply."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.arguments import optional_valid_text, valid_text
from redis_mob.codec.deletions import DeletableRun, decode_deletable
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.packing import UNPACK_ERRORS, unpack
from redis_mob.codec.pauses import OF_FLOW, OF_MOB, checked_reason, decode_pauses, scope_of, scopes_of
from redis_mob.codec.run_heads import RunHead
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import PauseStore
from redis_mob.errors import NotDrivenError, NotFoundError, SerializationError, ValidationError, shown
from redis_mob.models.base import canonical_run_id
from redis_mob.models.pause import Pause, PauseChange
from redis_mob.stores.limited_entries import limited_entries
from redis_mob.stores.readable import readable

_RUNS = 200
"""How many runs one script reads."""

_BROUGHT_BACK = 500
"""How many executions one script brings back."""

_CHANGES = {Reply.WON: PauseChange.DONE, Reply.EXISTS: PauseChange.ALREADY, Reply.LOST: PauseChange.OVER}

_LETTERS = "wsvt"
"""Which executions wait: by lua/lib/schedule those that wait, and suspects; by lua/lib/gates the same with limits."""


@readable
class RedisPauseStore(PauseStore):
    """The contract's `PauseStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def pause_run(self, run_id: str, reason: str | None = None) -> PauseChange:
        said, of_run = checked_reason(reason), self._keys.run(run_id)
        run = await self._driven(run_id)
        reply = await self._client.call(
            "pauses/pause_run",
            [of_run.run, of_run.index, self._keys.meta, self._keys.queued, self._keys.gated, self._keys.wake_runs],
            {
                "run_id": run.run_id,
                "flow": scope_of(run.head.mob_id, run.head.flow_id),
                "entries": run.entries,
                "limited": await limited_entries(self._client, self._keys, run),
                "reason": said,
            },
        )
        return self._changed(reply, run_id)

    async def resume_run(self, run_id: str) -> PauseChange:
        of_run, keys = self._keys.run(run_id), self._keys
        run = await self._driven(run_id)
        reply = await self._client.call(
            "pauses/resume_run",
            [of_run.run, of_run.index, keys.meta, keys.pauses, keys.queued, keys.lost, keys.gated, keys.wake_runs],
            {"run_id": run.run_id, "scopes": scopes_of(run.head.mob_id, run.head.flow_id)},
        )
        return self._changed(reply, run_id)

    async def _driven(self, run_id: str) -> DeletableRun:
        """A run that a fleet has started. Raises NotFoundError for any other."""
        of_run, known = self._keys.run(run_id), canonical_run_id(run_id)
        head = await self._read_head([of_run.run, of_run.index, of_run.deletion])
        if not head:
            raise NotFoundError.of_run(known, self._keys.namespace)
        run = decode_deletable(known, head)
        if run.launch is None:
            raise NotDrivenError(known)
        return run

    async def _read_head(self, keys: list[str]) -> Any:
        return await self._client.read("steering/read_head", keys)

    def _changed(self, reply: int, run_id: str) -> PauseChange:
        if reply == Reply.NOT_FOUND:
            raise NotFoundError.of_run(canonical_run_id(run_id), self._keys.namespace)
        return _CHANGES[Reply(reply)]

    async def pause_flow(self, mob_id: str, flow_id: str | None = None, reason: str | None = None) -> PauseChange:
        kind, scope = _checked_scope(mob_id, flow_id)
        arguments = {"kind": kind, "scope": scope, "reason": checked_reason(reason)}
        reply = await self._client.call("pauses/pause_flow", [self._keys.meta, self._keys.pauses], arguments)
        return _CHANGES[Reply(reply)]

    async def resume_flow(self, mob_id: str, flow_id: str | None = None) -> PauseChange:
        kind, scope = _checked_scope(mob_id, flow_id)
        keys = [self._keys.meta, self._keys.pauses, self._keys.queued, self._keys.wake_runs]
        reply = await self._client.call("pauses/resume_flow", keys, {"kind": kind, "scope": scope})
        return _CHANGES[Reply(reply)]

    async def set_aside(self, mob_id: str, flow_id: str, after: str | None = None) -> str | None:
        mob, flow = valid_text("mob_id", mob_id), valid_text("flow_id", flow_id)
        letter, behind = _decode_cursor(after)
        for one in _LETTERS[_LETTERS.index(letter) :]:
            last = await self._set_aside_of(one, mob, flow, behind if one == letter else b"")
            if last is not None:
                return one + last.hex()
        return None

    async def _set_aside_of(self, letter: str, mob: str, flow: str, behind: bytes) -> bytes | None:
        """One page; where the next one begins, None if there is none."""
        beginnings = await self._waiting_runs(letter, scope_of(mob), behind)
        heads = await self._read_heads([_run_in(beginning) for beginning in beginnings])
        of_flow = [beginning for beginning, head in zip(beginnings, heads, strict=True) if head == (mob, flow)]
        if of_flow and not await self._set_aside(scope_of(mob, flow), of_flow):
            return None
        return beginnings[-1] if len(beginnings) == _RUNS else None

    async def _waiting_runs(self, letter: str, mob: bytes, after: bytes) -> list[bytes]:
        keys, arguments = [self._keys.meta, self._keys.queued, self._keys.gated], [letter, mob, after, _RUNS]
        return [bytes(one) for one in await self._client.read("pauses/waiting_runs", keys, arguments)]

    async def _read_heads(self, run_ids: list[str]) -> list[tuple[str, str] | None]:
        """Mob and flow of each run, None for one that is gone."""
        if not run_ids:
            return []
        heads: list[Any] = await self._client.read("pauses/read_heads", [self._keys.run(one).run for one in run_ids])
        try:
            found = [None if head is None else RunHead(*unpack(head)) for head in heads]
        except (*UNPACK_ERRORS, TypeError) as error:
            raise SerializationError(f"the head of a run cannot be read: {error}") from error
        return [None if head is None else (head.mob_id, head.flow_id) for head in found]

    async def _set_aside(self, flow: bytes, beginnings: list[bytes]) -> bool:
        keys = [self._keys.meta, self._keys.pauses, self._keys.queued, self._keys.gated]
        reply = await self._client.call("pauses/set_aside", keys, {"flow": flow, "beginnings": beginnings})
        return reply == Reply.WON

    async def bring_back(self, mob_id: str, flow_id: str) -> bool:
        flow, keys = scope_of(valid_text("mob_id", mob_id), valid_text("flow_id", flow_id)), self._keys
        reply = await self._client.call(
            "pauses/bring_back",
            [keys.meta, keys.pauses, keys.queued, keys.lost, keys.gated, keys.wake_runs],
            {"flow": flow, "most": _BROUGHT_BACK},
        )
        return bool(reply)

    async def pauses(self) -> tuple[Pause, ...]:
        stored = await self._client.read("pauses/pauses", [self._keys.meta, self._keys.pauses])
        return decode_pauses(as_mapping(stored))


def _checked_scope(mob_id: object, flow_id: object) -> tuple[bytes, bytes]:
    mob, flow = valid_text("mob_id", mob_id), optional_valid_text("flow_id", flow_id)
    return OF_MOB if flow is None else OF_FLOW, scope_of(mob, flow)


def _decode_cursor(after: object) -> tuple[str, bytes]:
    """Where a call of `set_aside` goes on: the letter, and the beginning of the last member that was looked at.

    Raises ValidationError for what no call has returned.
    """
    cursor = optional_valid_text("after", after)
    if cursor is None:
        return _LETTERS[0], b""
    try:
        behind = bytes.fromhex(cursor[1:])
        if cursor[:1] not in tuple(_LETTERS) or (behind and not behind.startswith(cursor[:1].encode())):
            raise ValueError
    except ValueError:
        raise ValidationError(f"after must be what set_aside has returned, not {shown(cursor)}") from None
    return cursor[0], behind


def _run_in(beginning: bytes) -> str:
    """The run of a member of `queued`, whose id is the last that stands there."""
    return beginning[-36:].decode()
