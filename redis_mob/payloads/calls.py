"""Codes the payloads in the arguments of a call, and reads those in its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

from redis_mob.codec.payloads import Payload
from redis_mob.errors import BlobMissingError, SerializationError
from redis_mob.payloads.blobs import BlobStore
from redis_mob.payloads.coding import NO_BLOBS, BlobName, PayloadCoder, references_in

_AT_ONCE = 16
"""Blobs that one call reads or writes at a time."""


class CodedCalls:
    """What the client of a namespace does with payloads."""

    def __init__(self, coder: PayloadCoder, blobs: BlobStore | None) -> None:
        self._coder = coder
        self._blobs = blobs

    async def coded(self, run_id: str | None, arguments: Sequence[Any]) -> Sequence[Any]:
        """The arguments of a call about this run as they are sent; blobs are written before.

        Raises WriteFailedError if a blob could not be written: then the call is not made.
        """
        flat = list(arguments)
        blobs: dict[tuple[str, str], bytes] = {}
        referring: list[tuple[Payload, bytes]] = []
        for place, argument in enumerate(flat):
            if type(argument) is not Payload or not argument:
                continue
            if argument.stored is not None:
                flat[place] = argument.stored
                continue
            stored = self._coder.coded(argument)
            owner = argument.owner or run_id
            if self._blobs is not None and owner and not argument.stays and self._coder.is_large(stored):
                stored, name, blob = self._coder.reference(owner, argument, stored)
                blobs[owner, name] = blob
                referring.append((argument, stored))
            else:
                argument.stored = stored
            flat[place] = stored
        if (store := self._blobs) is not None:
            await _in_turns(partial(store.put, *where, data) for where, data in blobs.items())
        for argument, stored in referring:
            # only now: a call that is made again after a failure has to write the blob
            argument.stored = stored
        return flat

    async def read(self, reply: Any) -> Any:
        """The reply of a call with its payloads as they were before they were coded.

        Raises SerializationError for one that is damaged, BlobMissingError for a blob that is gone, ReadFailedError if
        blobs cannot be read now, SealKeyMissingError.
        """
        names = references_in(reply)
        return self.read_at_once(reply, await self._fetched(names) if names else {})

    def read_at_once(self, reply: Any, blobs: Mapping[BlobName, bytes] = NO_BLOBS) -> Any:
        """The same for what refers to no blob but these."""
        if isinstance(reply, bytes):
            return self._coder.read(reply, blobs)
        return [self.read_at_once(one, blobs) for one in reply] if isinstance(reply, list) else reply  # pyright: ignore[reportUnknownVariableType]

    async def delete_blobs(self, run_id: str) -> None:
        """Delete all blobs of a run. Raises WriteFailedError if some may be left."""
        if self._blobs is not None:
            await self._blobs.delete(run_id)

    async def _fetched(self, names: Iterable[BlobName]) -> dict[BlobName, bytes]:
        if (store := self._blobs) is None:
            raise SerializationError("a payload was put into a blob, and the namespace does not say where blobs are")
        found = dict[BlobName, bytes]()

        async def get(name: BlobName) -> None:
            data = await store.get(name.run_id, name.name)
            if data is None:
                raise BlobMissingError(name.run_id, name.name, repr(store))
            if len(data) != name.length or blake2b(data, digest_size=32).hexdigest() != name.name:
                raise SerializationError(
                    f"blob {name.name} of run {name.run_id} in {store!r} is damaged: it has {len(data):,} bytes of "
                    f"{name.length:,}, or others than were written"
                )
            found[name] = data

        await _in_turns(partial(get, name) for name in dict.fromkeys(names))
        return found


async def _in_turns(jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Do all of these, some at a time."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def done(job: Callable[[], Awaitable[None]]) -> None:
        async with turns:
            await job()

    await asyncio.gather(*map(done, jobs))
