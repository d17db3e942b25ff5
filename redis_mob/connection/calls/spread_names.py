"""Names for namespaces that a Cluster spreads evenly over its primaries."""

from __future__ import annotations

from itertools import count

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from redis_mob.codec.arguments import integer, text
from redis_mob.connection.calls.keys import Keys


def spread_names(prefix: str, number: int) -> tuple[str, ...]:
    """`number` names with one prefix, one in each of `number` equal ranges of hash slots; always the same.

    Primaries that have equal ranges of slots get equally many of them, up to one. Where the names lie within their
    ranges is left to chance. Raises ValidationError for a prefix that no name can begin with, and a number below 1.
    """
    number = integer("number", number, least=1)
    return tuple(_named(text("prefix", prefix), place, number) for place in range(number))


def _named(prefix: str, place: int, number: int) -> str:
    for attempt in count():
        name = f"{prefix}-{place}.{attempt}"
        if key_slot(Keys(name).meta.encode()) * number // REDIS_CLUSTER_HASH_SLOTS == place:
            return name
    raise AssertionError("count() never ends")
