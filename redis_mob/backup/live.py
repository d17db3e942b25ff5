"""Reads a namespace that goes on being written to, up to a cut: what it was at one moment (decision 0059)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

import msgpack

from redis_mob.backup.requests import check_rights, pages_of_keys, repeat, server_of, state_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, ReadFailedError, ValidationError, shown

_KEEP = 60_000
"""How long a backup may be silent until writers follow it no more, in ms."""
_AT_ONCE, _PAGE = 8, 50
"""How many keys, and elements of a long one, one script reads: all others wait that long."""
_PAGE_OF_CHANGES = 200
"""How many elements of a long key that has changed: it is to be read faster than others write to it."""
_LONGEST_PAUSE = 0.01
"""In seconds: what took longer than that is slow for another reason, and pauses would make it slower still."""
_NAMES_IN_MEMORY = 16 * 2**20
"""How many bytes of names of keys are in memory; more are in a temporary file."""
_FEW, _MOST = 50, 20_000
"""How many changes the cut may have left to read, at first, and if they come faster than they are read."""


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

    Records name keys as after the tag. Each has the value that was read: of several of an element the last one counts.
    """

    def __init__(self, client: Client, keys: Keys, id: str, *, after_cut: str = "", base: str = "") -> None:
        self._client, self._keys, self._id = client, keys, id
        self._after_cut, self._base = after_cut, base
        self._cut: Cut | None = None
        self._own = [keys.meta, keys.changes, keys.changes_aside]
        self._heard_of, self._server = time.monotonic(), ""

    @property
    def cut(self) -> Cut:
        """What is known at the cut. Raises InternalError before `records` has ended."""
        if self._cut is None:
            raise InternalError("the namespace is still being read")
        return self._cut

    async def begin(self) -> None:
        """Let what is written be noted from here on.

        Raises NotFoundError for no such namespace, CasConflictError if another backup or a move is under way,
        ValidationError if the changes since the base are not known.
        """
        self._server = await server_of(self._client, self._keys)
        await check_rights(self._client, self._keys)
        wanted = {"id": self._id, "base": self._base, "keep": _KEEP, "key": self._keys.changes}
        begun = await self._client.call("backup/begin", self._own, wanted)
        namespace = shown(self._keys.namespace)
        if begun == -2:
            raise NotFoundError(f"there is no namespace {namespace} to be backed up")
        if begun == -1:
            raise ValidationError(
                f"what changed in namespace {namespace} since that backup is not known: it was made without "
                "--follow, or another one came after it; make a full one"
            )
        if begun == 0:
            raise CasConflictError(await self._under_way())
        self._heard_of = time.monotonic()

    async def records(self) -> AsyncIterator[list[Any]]:
        """All records, in the order in which they are to be applied; `begin` comes before.

        Raises ReadFailedError if another server has the namespace at the end.
        """
        if not self._base:
            async for record in self._all():
                yield record
        most = _FEW
        async for record in self._changed():
            yield record
        while (last := await self._last_changes(most)) is None:
            async for record in self._changed():
                yield record
            most = min(most * 3 // 2, _MOST)
        async for record in self._read(last, pause=False):
            yield record
        if await server_of(self._client, self._keys) != self._server:
            namespace = shown(self._keys.namespace)
            raise ReadFailedError(f"namespace {namespace} has moved to another server during its backup: try again")

    async def let_go(self) -> None:
        """Leave the namespace as it was before, also if the cut has closed it. Raises WriteFailedError."""
        await repeat(self._client, "backup/let_go", self._own, {"id": self._id})

    async def _all(self) -> AsyncIterator[list[Any]]:
        """What the keys hold, with what has changed meanwhile."""
        with SpooledTemporaryFile[bytes](max_size=_NAMES_IN_MEMORY) as names:
            # All names are found before the first key is read: keys that come later are noted as changed, and finding
            # them too would not end where others make keys faster than they are read.
            async for found in pages_of_keys(self._client, self._keys):
                names.write(msgpack.packb([key for key in found if self._is_kept(key)]))
                await self._stay()
            names.seek(0)
            calls = 0
            # its stub lacks the file
            for wanted in msgpack.Unpacker(names, raw=True):  # pyright: ignore[reportCallIssue]
                for at in range(0, len(wanted), _AT_ONCE):
                    reply = await self._asked("backup/read_keys", _names(wanted[at : at + _AT_ONCE]), {"most": _PAGE})
                    async for record in self._read(reply, pause=True):
                        yield record
                    calls += 1
                    if calls % 20 == 0:
                        async for record in self._changed():
                            yield record

    def _is_kept(self, key: bytes) -> bool:
        """Whether a backup has a key. It has neither its own keys nor receipts of clients, and `meta` from the cut."""
        [name] = _names([key])
        return name not in self._own and not self._keys.suffix(key).startswith("session:")

    async def _read(self, records: Sequence[list[Any]], *, pause: bool) -> AsyncIterator[list[Any]]:
        """Records of a reply; long keys are read by pages, behind all that was read before them."""
        long = list[list[Any]]()
        for record in records:
            if record[0] == b"P":
                long.append(record)
            else:
                yield self._named(record)
        for _, key, kind, at in long:
            async for page in self._pages(key, kind, at, pause=pause):
                for record in page:
                    yield self._named(record)

    async def _pages(self, key: bytes, kind: bytes, at: bytes, *, pause: bool) -> AsyncIterator[list[list[Any]]]:
        most = _PAGE if pause else _PAGE_OF_CHANGES
        while True:
            await self._stay()  # what has changed is read when the key ends: of a stream or a list, the end comes last
            at, page = await self._asked(
                "backup/read_page", _names([key]), {"kind": kind, "at": at, "most": most}, pause=pause
            )
            yield page
            if not at:
                return

    async def _asked(self, script: str, names: Sequence[str], wanted: dict[str, Any], *, pause: bool = True) -> Any:
        """What a script reads. A pause as long as it took leaves half of the server's time to others."""
        begun = time.monotonic()
        reply = await self._client.read(script, names, wanted)
        if pause:
            await asyncio.sleep(min(time.monotonic() - begun, _LONGEST_PAUSE))
        return reply

    def _named(self, record: list[Any]) -> list[Any]:
        """A record that names its key as after the tag."""
        kind, key, *rest = record
        return [kind, self._keys.suffix(key).encode(errors="surrogateescape"), *rest]

    async def _changed(self) -> AsyncIterator[list[Any]]:
        """Records of all that was noted as changed until now, without a pause, in which more would change."""
        await self._set_aside(renew=False)
        at = b"0"
        while True:
            wanted = {"at": at, "least": _PAGE}
            at, page = await self._client.read("backup/read_changes", [self._keys.changes_aside], wanted)
            async for record in self._read(page, pause=False):
                yield record
            if at == b"0":
                return

    async def _set_aside(self, *, renew: bool) -> None:
        wanted = {"id": self._id, "key": self._keys.changes, "keep": _KEEP, "renew": int(renew)}
        self._heard_of = time.monotonic()
        if not await self._client.call("backup/set_aside", self._own, wanted):
            raise self._unknown()

    async def _stay(self) -> None:
        """Let the server know in time that the backup goes on."""
        if time.monotonic() - self._heard_of > _KEEP / 4000:
            await self._set_aside(renew=True)

    async def _last_changes(self, most: int) -> list[list[Any]] | None:
        """What has changed last, which is the cut; None if there is too much for one script."""
        wanted = {"id": self._id, "most": most, "state": self._after_cut}
        code, *reply = await self._client.call("backup/cut", self._own, wanted)
        if code < 0:
            raise self._unknown()
        if code == 0:
            return None
        records, fields, micros = reply
        meta = dict(zip(fields[::2], fields[1::2], strict=True))
        meta.pop(b"restored", None)
        meta[b"epoch"] = meta[b"epoch"].partition(b" ")[0]  # behind it is the state of the namespace
        self._cut = Cut(meta, int(micros))
        return records

    async def _under_way(self) -> str:
        """What else reads the namespace."""
        namespace = shown(self._keys.namespace)
        if (await state_of(self._client, self._keys)).is_of_move:
            undo = "if its process is gone, undo it with `redis-mob copy FROM TO --abort`, or wait a minute"
            return f"a move of namespace {namespace} is under way: wait for its end; {undo}"
        return f"a backup of namespace {namespace} is under way: wait for its end, or a minute if its process is gone"

    def _unknown(self) -> ReadFailedError:
        return ReadFailedError(
            f"the server does not know the backup of namespace {shown(self._keys.namespace)} any more: try again"
        )


def _names(keys: Sequence[bytes]) -> list[str]:
    return [key.decode(errors="surrogateescape") for key in keys]
