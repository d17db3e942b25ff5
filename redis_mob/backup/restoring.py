"""Writes records of a backup to a namespace, which is not there for others until the end (decision 0059)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from redis_mob.backup.requests import check_rights, pages_of_keys, repeat, server_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.namespace_state import GIVEN_UP, MOVE
from redis_mob.errors import CasConflictError, ValidationError, shown

_MOST_BYTES, _MOST_KEYS = 512 * 1024, 200


class RestoringNamespace:
    """One restoring, with an id of its own. Records come in their order; each request may be made twice."""

    def __init__(self, client: Client, keys: Keys, id: str) -> None:
        self._client, self._keys, self._id = client, keys, id
        self._records, self._places, self._size = list[list[Any]](), dict[bytes, int](), 0
        self.has_begun = False
        """Whether there may be something of it."""

    async def begin(self, *, replace: bool) -> None:
        """Mark the namespace, and remove what is there. One whose restoring has not ended is begun anew.

        Raises CasConflictError if it is not empty, unless `replace`; ReadFailedError while a Cluster moves it. Nothing
        is removed then, nor if the user has not the rights.
        """
        await server_of(self._client, self._keys)
        await check_rights(self._client, self._keys)
        self.has_begun = True
        wanted = {"id": self._id, "replace": int(replace)}
        begun = await repeat(self._client, "backup/begin_restore", self._keys.fixed, wanted)
        if not begun:
            name = "--to-namespace" if self._id.startswith(MOVE) else "--namespace"
            raise CasConflictError(
                f"namespace {shown(self._keys.namespace)} is not empty: name another one with {name}, or remove what "
                "it has with --replace"
            )
        await self._empty()

    async def add(self, record: Sequence[Any]) -> None:
        """Write a record, with others of the same time."""
        kind, key, *rest = record
        place = self._places.setdefault(key, len(self._places) + 1)
        self._records.append([kind, place, *rest])
        self._size += size_of(record)
        if self._size >= _MOST_BYTES or len(self._places) >= _MOST_KEYS:
            await self._flush()

    async def finish(self, meta: Mapping[bytes, bytes]) -> None:
        """Write the records that were not written yet, then open the namespace, as one write."""
        await self._flush()
        fields = [part for field in meta.items() for part in field]
        await self._write("backup/finish_restore", [], {"fields": fields})

    async def give_up(self) -> bool:
        """Make sure that it never ends; returns whether it had not, so that the namespace is not there by it."""
        given_up: int = await repeat(self._client, "backup/give_up_restore", [self._keys.meta], {"id": self._id})
        return bool(given_up)

    async def remove(self) -> None:
        """Remove all keys of a restoring that was given up, so that there is no such namespace.

        Raises CasConflictError if another restoring has begun, whose keys are not touched.
        """
        self._id = GIVEN_UP
        await self._empty()
        wanted = {"id": self._id}  # a second request finds nothing to be removed
        await repeat(self._client, "backup/clear", [self._keys.meta, self._keys.meta], wanted)

    async def _empty(self) -> None:
        """Remove all keys but the state."""
        async for found in pages_of_keys(self._client, self._keys):
            names = [key.decode(errors="surrogateescape") for key in found if key != self._keys.meta.encode()]
            for at in range(0, len(names), _MOST_KEYS):
                await self._write("backup/clear", names[at : at + _MOST_KEYS], {})

    async def _flush(self) -> None:
        if not self._records:
            return
        names = [self._keys.named(key.decode(errors="surrogateescape")) for key in self._places]
        packed: bytes = msgpack.packb(self._records, use_bin_type=False)
        self._records, self._places, self._size = [], {}, 0
        await self._write("backup/write", names, {"packed": packed})

    async def _write(self, script: str, names: Sequence[str], args: dict[str, Any]) -> None:
        if not await repeat(self._client, script, [self._keys.meta, *names], {"id": self._id, **args}):
            raise CasConflictError(
                f"another restore of namespace {shown(self._keys.namespace)} has begun, or this one was undone: "
                "this one ends"
            )


def check_name(meta: Mapping[bytes, bytes], was: str, namespace: str) -> None:
    """Raise ValidationError if something is sealed for the name that a namespace had, and it is to have another one."""
    if was != namespace and (b"payloads_sealed" in meta or b"n:seal_keys" in meta):
        raise ValidationError(
            f"what is sealed there opens only in namespace {shown(was)}: keep that name, not {shown(namespace)}"
        )


def size_of(record: Any) -> int:
    """About how many bytes a record has."""
    if isinstance(record, bytes):
        return len(record) + 4
    return sum(map(size_of, record)) if isinstance(record, list | tuple) else 8  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
