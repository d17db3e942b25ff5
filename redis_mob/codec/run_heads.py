"""What the hash of a run says of it as a whole, its places in lists, and how many records its parts have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from redis_mob.codec.arguments import text
from redis_mob.codec.packing import pack
from redis_mob.errors import SerializationError, shown

COUNTED = b"counted"
"""The field of the run hash that says that `n:<part>` counts the records of each part since the run was created."""

COUNT = b"n:"

COUNTED_PARTS = (
    *("run", "frames", "loops", "outputs", "steps", "step_outputs", "failures", "iterations", "inputs", "index"),
    *("executions", "published"),
)
"""The parts of a run whose records are counted in its hash, that hash first."""

_NUMBER = re.compile(rb"-?[0-9]{1,19}")
"""A count as HINCRBY makes it."""


class RunHead(NamedTuple):
    """The fields of the run hash that belong to no group."""

    mob_id: str
    flow_id: str
    created_at: int
    schema_version: int


def ended_identity(mob_id: str, flow_id: str, run_id: str) -> bytes:
    """The identity of the event in the log that ends a run."""
    return b"t" + pack((mob_id, run_id, flow_id))


def place_prefix(mob_id: str, flow_id: str | None = None) -> bytes:
    """What the places of all runs of a mob, or of one flow of it, begin with in the zset of runs.

    msgpack texts carry their length, so that no mob id can be the beginning of another's prefix.
    """
    mob = pack(text("mob_id", mob_id))
    return mob if flow_id is None else mob + pack(text("flow_id", flow_id))


def run_id_of_place(place: bytes, key: str = "a list of runs") -> tuple[int, str]:
    """(sequence of creation, run id) of a place in a zset of runs. Raises SerializationError naming the key."""
    try:
        return int(place[-52:-36]), place[-36:].decode()
    except ValueError as error:
        raise SerializationError(f"{key} is damaged: it has {shown(place)}, which is no place of a run") from error


def count_field(part: str) -> bytes:
    """The field of the run hash that counts the records of a part."""
    return COUNT + part.encode()


def check_count(run_id: str, head: Mapping[bytes, bytes], part: str, found: int) -> None:
    """Raises SerializationError if a part of a run holds fewer records than were written to it."""
    if COUNTED not in head:
        return
    counted = head.get(count_field(part), b"0")
    if counted == b"%d" % found:
        return
    if _NUMBER.fullmatch(counted) is None:
        raise SerializationError(f"run {run_id}: {part} is damaged: its count {counted[:40]!r} is no number")
    if found < int(counted):
        raise SerializationError(f"run {run_id}: {part} is damaged: {found} of {int(counted)} records are there")
