"""Long JSON texts are stored packed, and read back as they were; damage is told, and what was stored plain is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.codec.executions import decode_executions, encode_execution, execution_field
from redis_mob.codec.ledgers import decode_step_rows, step_arguments_of_all
from redis_mob.codec.runs import decode_run, encode_run, run_parts
from redis_mob.codec.texts import packed, packed_after, unpacked
from redis_mob.models import MobRun, StepLedgerEntry, StepRunStatus
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.testing.samples.states import step_entry
from tests.support.golden import read_jsonl

TEXT = json.dumps({"summary": "The first half of the work is done, and the second half of it is not. " * 4}).encode()
AROUND = b'{"worker-1":%b}' % TEXT

[PLAIN] = read_jsonl("plain_texts.jsonl")
"""A run and an execution with long texts, and their bytes as the release before wrote them."""


def texts(most: int) -> st.SearchStrategy[bytes]:
    words = st.lists(st.sampled_from(["alpha", "beta", "é", '"', "0"]) | st.text(max_size=3), max_size=most)
    return words.map(lambda found: json.dumps(found).encode())


@given(texts(400))
def test_any_text_is_read_back_and_never_stored_longer(text: bytes) -> None:
    assert unpacked(packed(text)) == text
    assert len(packed(text)) <= len(text)


@given(texts(400), texts(400), st.integers(1, 70_000))
def test_any_text_is_read_back_with_the_one_before_it(text: bytes, before: bytes, distance: int) -> None:
    stored = packed_after(text, before, distance)
    assert unpacked(stored, lambda asked: before if asked == distance else None) == text
    assert len(stored) <= len(packed(text))


def test_a_long_text_is_packed_and_a_short_one_is_not() -> None:
    assert len(packed(TEXT)) < len(TEXT) / 2
    assert packed(b'"short"') == b'"short"'


@pytest.mark.parametrize("size", [200, 3_000, 30_000])
def test_a_text_that_repeats_the_one_before_it_takes_next_to_nothing(size: int) -> None:
    before = json.dumps("".join(chr(32 + number * number * 31 % 90) for number in range(size))).encode()
    assert len(packed_after(b'{"worker-1":%b}' % before, before, 1)) < 50 + size // 100


@pytest.mark.parametrize("stored", [packed(TEXT), packed_after(AROUND, TEXT, 1)], ids=["packed", "packed after"])
def test_damage_of_any_byte_is_told(stored: bytes) -> None:
    def read(damaged: bytes) -> bytes:
        return unpacked(damaged, lambda distance: TEXT if distance == 1 else None)

    for length in range(1, len(stored)):
        with pytest.raises(ValueError, match="packed text"):
            read(stored[:length])
    for place in range(1, len(stored)):
        changed = stored[:place] + bytes([stored[place] ^ 0x55]) + stored[place + 1 :]
        with pytest.raises(ValueError, match="packed text"):
            read(changed)
    with pytest.raises(ValueError, match="does not end"):
        read(stored + b"x")


@pytest.mark.parametrize("before", [None, b"", AROUND])
def test_a_text_is_not_read_with_another_one_before_it(before: bytes | None) -> None:
    with pytest.raises(ValueError, match="packed text"):
        unpacked(packed_after(AROUND, TEXT, 1), lambda _distance: before)


def rows_with(*outputs: tuple[str, Any]) -> list[StepLedgerEntry]:
    return [step_entry(step, status=StepRunStatus.COMPLETED, output=output) for step, output in outputs]


def test_the_output_of_a_step_is_packed_after_that_of_its_member() -> None:
    long, other = TEXT.decode(), "Something else was said here, and at some length, since it is to be packed. " * 4
    entries = rows_with(("a", long), ("b", other), ("a", None), ("a", {"worker-1": long}), ("b", {"worker-1": other}))
    arguments = step_arguments_of_all(entries)
    assert [output[:3] for _, output, *_ in arguments[3:]] == [b"\x02\x00\x03", b"\x02\x00\x03"]
    outputs = {b"%d" % number: output for number, (_, output, *_) in enumerate(arguments) if output}
    assert decode_step_rows([row for row, *_ in arguments], outputs) == tuple(entries)


def test_a_run_that_the_release_before_wrote_is_read() -> None:
    run = MobRun.model_validate_json(json.dumps(PLAIN["run"]))
    *parts, index = ([item.encode("latin-1") for item in part] for part in PLAIN["parts"])
    back = decode_run(run.run_id, run_parts([*parts, [b"%d" % (len(index) // 2)]]))
    assert back == run
    assert back.model_dump_json() == run.model_dump_json()
    now = sum(len(item) for part in encode_run(run) for item in part if isinstance(item, bytes))
    assert now < sum(map(len, (item for part in PLAIN["parts"] for item in part))) * 0.7


def test_an_execution_that_the_release_before_wrote_is_read() -> None:
    key, told = ExecutionKey("root", "build", "worker-1"), Execution.model_validate_json(json.dumps(PLAIN["execution"]))
    record = PLAIN["record"].encode("latin-1")
    assert decode_executions("run", {execution_field(key): record}) == {key: told}
    assert len(encode_execution(told)) < len(record) * 0.7
    assert decode_executions("run", {execution_field(key): encode_execution(told)}) == {key: told}
