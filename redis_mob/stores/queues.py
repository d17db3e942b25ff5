"""The queues of a namespace, as one store knows them."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.codec.packing import Argument
from redis_mob.codec.schedule import decode_queue, encode_queue, queue_and_run, queue_of, role_of_queue
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Queue, RunLaunch, Serves
from redis_mob.models.run import MobRun


def limits_of_queues(run: MobRun, launch: RunLaunch, definition: MobDefinition) -> list[Argument]:
    """The queues of the executions that a run can have, each with the limit of its role, in turns."""
    flow = definition.flows.get(run.flow_id)
    roles = sorted({step.role for step in flow.steps.values()}) if flow else ()
    flat: list[Argument] = []
    for role in roles:
        flat += (encode_queue(queue_of(run.mob_id, role, launch)), launch.max_concurrency.get(role, b""))
    return flat


class KnownQueues:
    """Which queues there are, and of which run something was last taken from each: so all runs get their turn."""

    def __init__(self) -> None:
        self._queues: dict[bytes, Queue] = {}
        self._last: dict[bytes, bytes] = {}
        self._turn = 0
        self._wanted: dict[Serves, list[tuple[bytes, bytes]]] = {}

    @property
    def number(self) -> int:
        """How many are known; another number of them on the server means that some are not."""
        return len(self._queues)

    def learn(self, queues: Iterable[bytes]) -> None:
        """Take the queues that the server lists."""
        self._queues = {data: decode_queue(data) for data in queues}
        self._wanted.clear()

    def wanted(self, serves: Serves) -> list[list[bytes]]:
        """The queues of a worker, with what entries of their roles begin with and the last run.

        Each call begins with another queue, so that all get their turn.
        """
        served = self._wanted.get(serves)
        if served is None:
            served = [(data, role_of_queue(queue)) for data, queue in self._queues.items() if serves.includes(queue)]
            self._wanted[serves] = served
        self._turn += 1
        start = self._turn % len(served) if served else 0
        return [[queue, role, self._last.get(queue, b"")] for queue, role in served[start:] + served[:start]]

    def taken(self, entries: Iterable[bytes]) -> None:
        """Remember from which runs something was taken."""
        for entry in entries:
            queue, run = queue_and_run(entry)
            self._last[queue] = run
