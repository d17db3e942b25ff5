"""Ids of runs that tell the number of their namespace (contract: shards-3). Pure.

The last eight digits of such an id are the number of its namespace, from 0, and a check made of the rest, four digits
each. So the id leads to the run without a look elsewhere, and stays an id as all others: of version 5 if it is made of
a key, and else of version 4. One id in 65,536 of those that were made elsewhere has the right check by chance.
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID, uuid4

from redis_mob.fleet.run_start import run_id_of

MOST_NAMESPACES = 1 << 16
"""How many numbers there are for namespaces."""


def random_run_id(number: int) -> str:
    """A new id in the namespace of this number."""
    return _marked(uuid4(), number)


def run_id_of_key(number: int, mob_id: str, flow_id: str, key: str) -> str:
    """The id of the run of an idempotency key in the namespace of this number: always the same."""
    return _marked(UUID(run_id_of(mob_id, flow_id, key)), number)


def number_in(run_id: str) -> int | None:
    """The number of the namespace that an id tells; None if it tells none."""
    rest, number, check = _parts(UUID(run_id))
    return number if check == _check(rest, number) else None


def _marked(made: UUID, number: int) -> str:
    rest = made.bytes[:12]
    return str(UUID(bytes=rest + number.to_bytes(2, "big") + _check(rest, number)))


def _parts(run_id: UUID) -> tuple[bytes, int, bytes]:
    whole = run_id.bytes
    return whole[:12], int.from_bytes(whole[12:14], "big"), whole[14:]


def _check(rest: bytes, number: int) -> bytes:
    return blake2b(rest + number.to_bytes(2, "big"), digest_size=2, person=b"redis_mob shards").digest()
