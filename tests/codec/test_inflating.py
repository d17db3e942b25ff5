"""A stored text stands for no more bytes than it may, and a damaged count makes no list of that length."""

from __future__ import annotations

import zlib

import pytest

from redis_mob.codec.inflating import inflated
from redis_mob.codec.ledgers import decode_outputs, length_field
from redis_mob.models.ledger import MAX_LOOP_ITERATION


def test_a_text_that_stands_for_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.codec.inflating.MOST_BYTES", 1_000)
    assert inflated(zlib.compress(b"a" * 1_000), b"", "it is") == b"a" * 1_000
    with pytest.raises(ValueError, match="it is damaged: it stands for more than 1,000 bytes"):
        inflated(zlib.compress(b"a" * 1_000_000), b"", "it is")


@pytest.mark.parametrize("length", [b"-1", b"1000002", b"9" * 30])
def test_a_loop_has_no_more_iterations_than_can_be_recorded(length: bytes) -> None:
    assert len(decode_outputs({length_field("loop"): b" %d\n" % (MAX_LOOP_ITERATION + 1)})[1]["loop"]) == 1_000_001
    with pytest.raises(ValueError, match=r"loop 'loop' has -?[0-9]+ iterations"):
        decode_outputs({length_field("loop"): b" " + length + b"\n"})
