"""The items of a step as they are stored."""

from __future__ import annotations

import json

import pytest

from redis_mob.codec.items import decode_items, encode_items
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.testing.samples.json_values import ANY_JSON

RUN, NODE = "a-run", ("frame", "node")
MANY = [{"path": f"src/module_{number}.py", "lines": number} for number in range(1000)]


def test_items_are_read_as_they_were() -> None:
    items: list[object] = [ANY_JSON, None, [], 1.0]
    assert decode_items(RUN, NODE, encode_items(items)) == items


def test_many_items_are_packed() -> None:
    stored = encode_items(MANY)
    assert len(stored) * 4 < len(json.dumps(MANY, separators=(",", ":")))
    assert decode_items(RUN, NODE, stored) == MANY


@pytest.mark.parametrize("damage", ["cut", "changed", "no list", "no JSON"])
def test_items_that_are_damaged_are_told_with_their_run_and_node(damage: str) -> None:
    whole = encode_items(MANY)
    stored = {
        "cut": whole[:-1],
        "changed": whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        "no list": b'{"a":1}',
        "no JSON": b"[1,",
    }[damage]
    with pytest.raises(SerializationError, match="run a-run: the items of node 'node' cannot be read"):
        decode_items(RUN, NODE, stored)


def test_items_that_are_not_there_are_told() -> None:
    with pytest.raises(NotFoundError, match="run a-run has no items of node 'node' of frame 'frame'"):
        decode_items(RUN, NODE, None)
