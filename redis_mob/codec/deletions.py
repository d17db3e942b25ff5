"""What the deletion of a run needs to know of it, and what it leaves for those who go on with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis_mob.codec.conversations import decode_turn
from redis_mob.codec.delimited import decode_number
from redis_mob.codec.executions import decode_launch
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.run_heads import RunHead, ended_identity, place_prefix
from redis_mob.codec.schedule import encode_queue, queue_of
from redis_mob.errors import SerializationError
from redis_mob.models.execution import MOST_PRIORITY, RunLaunch

EARLIER = 3600 * 1_000_000
"""Microseconds before its start from which on events of a run are looked for: the clock of a server may be set back."""


class DeletableRun(NamedTuple):
    """A run as its hash tells it; `sequence` is its number among all runs ever created, where it is stored;
    `conversation` the id of that in which it is."""

    run_id: str
    status: str
    head: RunHead
    sequence: int | None
    launch: RunLaunch | None
    launched_at: int
    conversation: str | None

    @property
    def prefix(self) -> bytes:
        """What the places of the runs of its flow begin with."""
        return place_prefix(self.head.mob_id, self.head.flow_id)

    def place(self, sequence: int) -> bytes:
        """Its place among the runs, if it has this number."""
        return b"%b%016d%b" % (self.prefix, sequence, self.run_id.encode())

    @property
    def ended(self) -> bytes:
        """The identity of its terminal event in the log."""
        return ended_identity(self.head.mob_id, self.head.flow_id, self.run_id)

    @property
    def queues(self) -> list[bytes]:
        """The queues in which its executions have waited."""
        if self.launch is None:
            return []
        return [encode_queue(queue_of(self.head.mob_id, role, self.launch)) for role in sorted(self.launch.members)]

    @property
    def entries(self) -> list[bytes]:
        """How the entries of its executions in these queues begin."""
        if self.launch is None:
            return []
        rank = pack(MOST_PRIORITY - self.launch.priority)
        return [queue + rank + pack(self.run_id) for queue in self.queues]


class Deletion(NamedTuple):
    """What those who go on with a deletion need to know; `definition` is a digest, empty if the run had none."""

    mob_id: str
    place: bytes
    definition: str


def decode_deletable(run_id: str, reply: Sequence[bytes]) -> DeletableRun:
    """A run from the reply of lua/steering/read_head. Raises SerializationError."""
    status, head, sequence, launch, launched_at, conversation = map(bytes, reply)
    digits = sequence.strip()
    try:
        return DeletableRun(
            run_id,
            status.decode(),
            RunHead(*unpack(head)),
            int(digits) if digits.isdigit() else None,
            decode_launch(run_id, launch) if launch else None,
            decode_number(launched_at) if launched_at else 0,
            None if (turn := decode_turn(run_id, conversation)) is None else turn.id,
        )
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: its head cannot be read: {error}") from error


def encode_deletion(deletion: Deletion) -> bytes:
    """The record that begins a deletion."""
    return pack(tuple(deletion))


def decode_deletion(run_id: str, record: bytes) -> Deletion:
    """What that record says. Raises SerializationError."""
    try:
        mob_id, place, definition = unpack(record)
        return Deletion(mob_id, bytes(place), definition)
    except (*UNPACK_ERRORS, ValueError, TypeError) as error:
        raise SerializationError(f"the deletion of run {run_id} cannot be read: {error}") from error
