"""Gives a run to another release: it is read, and one script moves all that is in its queues."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.moves import move_arguments
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import won
from redis_mob.errors import NotFoundError

_AGAIN = -5
"""A reply of lua/steering/move_run: the run has changed since it was read."""


class RunMove:
    """The move of one run."""

    def __init__(self, client: Client, keys: Keys, run_id: str) -> None:
        self._client = client
        self._all = keys
        self._keys = keys.run(run_id)

    async def to(self, release: str | None) -> bool:
        """See `SteeringStore.move_run`."""
        run_id = self._keys.run_id
        while True:
            reply = await self._read_moving()
            if reply is None:
                raise NotFoundError.of_run(run_id, self._all.namespace)
            arguments = move_arguments(run_id, reply, release)
            if arguments is None:
                # it asks for this release already
                return bytes(reply[0]) in (b"pending", b"running")
            if (code := await self._move_run(arguments)) != _AGAIN:
                return won(code, run_id, self._all.namespace)

    async def _read_moving(self) -> Any:
        keys = [self._keys.run, self._keys.index, self._keys.executions]
        return await self._client.read("steering/read_moving", keys)

    async def _move_run(self, arguments: dict[str, Any]) -> int:
        everything = self._all
        return await self._client.call(
            "steering/move_run",
            [
                self._keys.run,
                self._keys.index,
                everything.meta,
                everything.due,
                everything.ready,
                everything.queued,
                everything.lost,
                everything.turns,
                everything.gated,
                everything.gate_times,
                everything.wake_runs,
            ],
            arguments,
        )
