"""Reads a namespace that goes on being written to, up to a cut: what it was at one moment (decision 0059)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis_mob.backup.requests import pages_of_keys, repeat, server_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, ReadFailedError, ValidationError, shown

_KEEP = 60_000
"""How long a backup may be silent until writers follow it no more, in ms."""
_AT_ONCE, _PAGE = 32, 500
_FEW = 2000
"""How many changes the cut may have left to read."""


@dataclass(slots=True)
class Cut:
    """The fields of `meta` at the cut, and its time in us since 1970."""

    meta: dict[bytes, bytes]
    time: int

    @property
    def cursor(self) -> int:
        """The cursor of the newest event."""
        return int(self.meta.get(b"cursor", b"0").strip() or 0)


class LiveNamespace:
    """One reading of a namespace, under an id of its own. `cut` is set when `records` has ended.

    Records name keys as after the tag. Each says what is there at its time: the last one of an element counts.
    """

    def __init__(self, client: Client, keys: Keys, id: str, *, after_cut: str = "", base: str = "") -> None:
        self._client, self._keys, self._id = client, keys, id
        self._after_cut, self._base = after_cut, base
        self._cut: Cut | None = None

    @property
    def cut(self) -> Cut:
        """What is known at the cut. Raises InternalError before `records` has ended."""
        if self._cut is None:
            raise InternalError("the namespace is still being read")
        return self._cut

    async def records(self) -> AsyncIterator[list[Any]]:
        """All records, in the order in which they are to be applied.

        Raises NotFoundError for no such namespace, CasConflictError if another backup is under way, ValidationError
        if the changes since the base are not known, ReadFailedError if another server has the namespace at the end.
        """
        server = await server_of(self._client, self._keys)
        both = [self._keys.meta, self._keys.changes]
        begun = await self._client.call(
            "backup/begin", both, {"id": self._id, "base": self._base, "keep": _KEEP, "key": self._keys.changes}
        )
        namespace = shown(self._keys.namespace)
        if begun == -2:
            raise NotFoundError(f"there is no namespace {namespace} to be backed up")
        if begun == -1:
            raise ValidationError(
                f"what changed in namespace {namespace} since that backup is not known: it was made without "
                "--follow, or another one came after it; make a full one"
            )
        if begun == 0:
            raise CasConflictError(
                f"a backup of namespace {namespace} is under way: wait for its end, or a minute if its process is gone"
            )
        if not self._base:
            async for record in self._all():
                yield record
        while self._cut is None:
            async for record in self._taken(self._after_cut):
                yield record
        if await server_of(self._client, self._keys) != server:
            raise ReadFailedError(f"namespace {namespace} has moved to another server during its backup: try again")

    async def let_go(self) -> None:
        """Leave the namespace as it was before, also if the cut has closed it. Raises WriteFailedError."""
        await repeat(self._client, "backup/let_go", [self._keys.meta, self._keys.changes], {"id": self._id})

    async def _all(self) -> AsyncIterator[list[Any]]:
        """What the keys hold, with what has changed meanwhile."""
        calls = 0
        async for found in pages_of_keys(self._client, self._keys):
            wanted = [key for key in found if self._is_kept(key)]
            for at in range(0, len(wanted), _AT_ONCE):
                reply = await self._client.read("backup/read_keys", _names(wanted[at : at + _AT_ONCE]))
                async for record in self._read(reply):
                    yield record
                calls += 1
                if calls % 20 == 0:
                    async for record in self._taken("-"):
                        yield record

    def _is_kept(self, key: bytes) -> bool:
        name = self._keys.suffix(key)
        return name not in ("meta", "changes") and not name.startswith("session:")

    async def _read(self, records: Sequence[list[Any]]) -> AsyncIterator[list[Any]]:
        """Records of a reply; long keys are read by pages, behind all that was read before them."""
        long = list[list[Any]]()
        for record in records:
            if record[0] == b"P":
                long.append(record)
            else:
                record[1] = self._keys.suffix(record[1]).encode(errors="surrogateescape")
                yield record
        for _, key, kind in long:
            at = b""
            while True:
                arguments = {"kind": kind, "at": at, "most": _PAGE}
                at, page = await self._client.read("backup/read_page", _names([key]), arguments)
                for record in page:
                    record[1] = self._keys.suffix(record[1]).encode(errors="surrogateescape")
                    yield record
                if not at:
                    break

    async def _taken(self, state: str) -> AsyncIterator[list[Any]]:
        arguments = {"id": self._id, "key": self._keys.changes, "keep": _KEEP, "most": _FEW, "state": state}
        code, *reply = await self._client.call("backup/take", [self._keys.meta, self._keys.changes], arguments)
        if code < 0:
            raise ReadFailedError(
                f"the server does not know the backup of namespace {shown(self._keys.namespace)} any more: try again"
            )
        async for record in self._read(reply[0]):
            yield record
        if code == 1:
            fields = reply[1]
            meta = dict(zip(fields[::2], fields[1::2], strict=True))
            meta.pop(b"restored", None)
            meta[b"epoch"] = meta[b"epoch"].partition(b" ")[0]  # behind it is the state of the namespace
            self._cut = Cut(meta, int(reply[2]))


def _names(keys: Sequence[bytes]) -> list[str]:
    return [key.decode(errors="surrogateescape") for key in keys]
