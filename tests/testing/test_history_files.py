"""Histories as files, and the models of what they are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob.errors import SerializationError, ValidationError
from redis_mob.testing.history import History, RecordedCall
from redis_mob.testing.history_files import Operation, read_history, write_history
from redis_mob.testing.serial_models import MODELS, Log, model_of

HEADER = '{"format": "redis-mob-history", "version": 1}'


def test_a_history_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    calls = [
        RecordedCall("0.1", Operation("document", "n/a", "get"), 12, 15, (2, 7)),
        RecordedCall(3, Operation("log", "é\n", "append", (1, (2, "x"), None)), 13),
    ]
    write_history(tmp_path / "h.jsonl", History(calls))
    assert read_history(tmp_path / "h.jsonl").calls == calls
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert lines[0] == HEADER
    assert json.loads(lines[1]) == {
        "client": "0.1",
        "model": "document",
        "key": "n/a",
        "name": "get",
        "arguments": [],
        "started": 12,
        "ended": 15,
        "result": [2, 7],
    }
    assert json.loads(lines[2])["ended"] is None


@pytest.mark.parametrize("lines", ["{", "[]", '{"format": "another", "version": 1}', f'{HEADER}\n{{"client": 1}}'])
def test_a_file_that_is_no_history_is_refused_by_its_line(lines: str, tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text(lines)
    with pytest.raises(SerializationError, match=rf"h\.jsonl: line {len(lines.splitlines())} "):
        read_history(tmp_path / "h.jsonl")


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text(HEADER.replace("1", "2"))
    with pytest.raises(ValidationError, match="version 2 of the format, and 1 is known"):
        read_history(tmp_path / "h.jsonl")


ANSWERS: dict[str, list[tuple[str, tuple[Any, ...], Any]]] = {
    "register": [
        ("read", (), None),
        ("write", (1,), None),
        ("swap", (2, 3), False),
        ("swap", (1, 3), True),
        ("read", (), 3),
    ],
    "document": [
        ("get", (), None),
        ("put_if_revision", (1, 70), ("is", 0)),
        ("put_if_revision", (0, 71), True),
        ("put_if_absent", (72,), False),
        ("put_if_revision", (1, 73), True),
        ("get", (), (2, 73)),
        ("delete_if_revision", (1,), ("is", 2)),
        ("delete_if_revision", (2,), True),
        ("delete_if_revision", (0,), True),
        ("put_if_absent", (74,), True),
        ("get", (), (1, 74)),
    ],
    "record": [
        ("get", (), None),
        ("insert", (1,), "stored"),
        ("insert", (1,), "equal"),
        ("insert", (2,), "conflict"),
        ("compare_and_put", (2, 3), False),
        ("compare_and_put", (1, 3), True),
        ("get", (), 3),
        ("compare_and_delete", (1,), False),
        ("compare_and_delete", (3,), True),
        ("compare_and_delete", (None,), True),
        ("compare_and_put", (None, 4), True),
    ],
    "run": [
        ("get", (), None),
        ("swap", ("pending", "running"), False),
        ("create", (), True),
        ("create", (), False),
        ("swap", ("pending", "running"), True),
        ("swap", ("running", "failed"), True),
        ("swap", ("failed", "running"), False),
        ("get", (), "failed"),
    ],
    "log": [
        ("poll", (0, 9), ()),
        ("latest", (), 0),
        ("append", (70,), (1,)),
        ("append", (71, 72), (2, 3)),
        ("poll", (0, 2), ((1, 70), (2, 71))),
        ("poll", (1, 9), ((2, 71), (3, 72))),
        ("poll", (0, 0), ()),
        ("poll", (3, 9), ()),
        ("latest", (), 3),
    ],
}
"""Calls of each model with their answers, in turn; tests/robustness/test_histories.py asks those in Go the same."""


def serial(name: str) -> History[Operation]:
    """These calls of one object, one after the other."""
    return History(
        RecordedCall("a", Operation(name, "k", call, arguments), 2 * number, 2 * number + 1, answer)
        for number, (call, arguments, answer) in enumerate(ANSWERS[name])
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_calls_one_after_the_other(name: str) -> None:
    model = model_of((name, "k"))
    state = model.start()
    for recorded in serial(name).calls:
        answer, state = model.apply(state, recorded.call)
        assert answer == recorded.result, recorded.call


@pytest.mark.parametrize("name", MODELS)
def test_a_call_that_a_model_does_not_have_is_refused(name: str) -> None:
    model = model_of((name, "k"))
    with pytest.raises(ValueError, match=f"model '{name}' has no call 'jump' with 1 arguments"):
        model.apply(model.start(), Operation(name, "k", "jump", (1,)))


def test_logs_of_the_same_entries_are_one_state_and_others_are_not() -> None:
    model = Log()
    one, two = (Operation("log", "k", "append", (number,)) for number in (1, 2))
    _, first = model.apply(model.start(), one)
    _, again = model.apply(model.start(), one)
    _, other = model.apply(model.start(), two)
    assert first == again != other
    assert model.apply(first, two)[1] != model.apply(other, one)[1]
