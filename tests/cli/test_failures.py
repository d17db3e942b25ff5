"""What failed in a run: which member or item, and at which line of the handler."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

import pytest

from redis_mob.cli import failures
from redis_mob.cli.failures import Failure, lines_of
from redis_mob.cli.progress import MOST_RETRIED, MemberProgress, State, StepProgress, changes
from redis_mob.cli.traceback_place import place_in
from redis_mob.models.execution import ExecutionKey, ItemProgress
from tests.cli.command import redis_mob

STDLIB = sysconfig.get_path("stdlib")

READING = """
from redis_mob import Mob, StepContext, StepFailed, step

mob = Mob("library")


@mob.handler
def find() -> list[int]:
    return list(range(4))


def parsed(item: int) -> int:
    import json

    return json.loads("{" * item)


@mob.handler(retries=1)
def read(ctx: StepContext, item: int) -> int:
    if item == 1 and ctx.attempt == 1:
        raise StepFailed("the shelf is empty", retry_after=0.5)
    return parsed(item) if item == 3 else item


mob.flow("study", [step("find"), step("read", after="find", for_each="steps.find", max_parallel=1)])
"""


def frame(file: str, line: int, name: str) -> str:
    return f'  File "{file}", line {line}, in {name}\n    code()\n'


def trace(*frames: str, error: str = "ValueError: no") -> str:
    return f"Traceback (most recent call last):\n{''.join(frames)}{error}\n"


def test_the_place_is_the_innermost_frame_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own, library = frame(f"{tmp_path}/handlers.py", 12, "read"), frame("/venv/lib/site-packages/x/y.py", 3, "get")
    assert place_in(trace(frame("/elsewhere/a.py", 1, "f"), own, library)) == "handlers.py:12 in read"
    assert place_in(trace(own, frame(f"{STDLIB}/json/decoder.py", 5, "decode"))) == "handlers.py:12 in read"
    assert place_in(trace(own, frame(failures.__file__, 5, "x"))) == "handlers.py:12 in read"
    assert place_in(trace(own, frame("<frozen runpy>", 5, "x"))) == "handlers.py:12 in read"
    assert place_in(trace(frame("/elsewhere/a.py", 1, "<module>"))) == "/elsewhere/a.py:1 in <module>"
    assert place_in(trace(library)) == "/venv/lib/site-packages/x/y.py:3 in get", "better than none"
    ours = frame("/venv/lib/site-packages/redis_mob/handlers/chat_model.py", 353, "_chunks")
    assert place_in(trace(library, ours)) is None, "a worker elsewhere has another path"
    assert place_in(trace(frame(failures.__file__, 5, "x"))) is None
    cause = trace(frame(f"{tmp_path}/cause.py", 1, "f"))
    both = f"{cause}\nThe above exception was the direct cause of the following exception:\n\n{trace(own)}"
    assert place_in(both) == "handlers.py:12 in read"
    assert place_in("no traceback") is None


def test_a_failure_is_one_line_that_says_where() -> None:
    assert Failure(None, "out of time").line() == "failed: out of time"
    assert Failure("read", "no members").line() == "failed: step read: no members"
    looped = Failure("read", "no", "reader-1", 3, (2, 1), detail={"a": 1})
    assert looped.line() == 'failed: step read[reader-1#3] iteration 2.1: no ({"a":1})'
    shown = looped.as_json(verbose=True)
    assert (shown["member"], shown["item"], shown["iteration"], shown["traceback"]) == ("reader-1", 3, [2, 1], None)


def test_lines_come_once_and_say_what_is_left_out() -> None:
    same = Failure("read", "no", traceback=trace(frame("/a.py", 1, "f")))
    assert list(lines_of([same, same], 9, verbose=False)) == [
        "failed: step read: no, at /a.py:1 in f",
        "and 7 more failures",
    ]
    told = list(lines_of([same], 1, verbose=True))
    assert told[1:] == [f"    {line}" for line in str(same.traceback).splitlines()]


def test_long_values_are_bounded_for_programs() -> None:
    shown = Failure("read", "x" * 100_000, detail=["y" * 100_000], traceback="z").as_json(verbose=False)
    assert len(json.dumps(shown)) < 5_000


def test_items_that_fail_are_told_with_their_attempts(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text(READING)
    ended = redis_mob(tmp_path, "run", "library:mob", "--json", "--verbose")
    assert ended.status == 1, ended.err
    found = json.loads(ended.out)
    line = next(number for number, text in enumerate(READING.splitlines(), 1) if "json.loads" in text)
    [failure] = found["failures"]
    assert "Traceback" in failure.pop("traceback")
    assert {**failure, "reason": "", "attempt": 0} == {
        "step": "read",
        "member": "read-1",
        "item": 3,
        "iteration": [],
        "attempt": 0,
        "reason": "",
        "exception": "JSONDecodeError",
        "detail": None,
        "at": f"library.py:{line} in parsed",
    }
    told = [text.partition(" ")[2] for text in ended.err.splitlines()]
    assert "step read[read-1#1] waiting attempt 2: the shelf is empty" in told
    assert any(text.startswith("step read[read-1#3] failed: JSONDecodeError: ") for text in told)
    [summary] = [text for text in ended.err.splitlines() if text.startswith("failed: ")]
    assert summary.startswith("failed: step read[read-1#3]: JSONDecodeError: ")
    assert summary.endswith(f", at library.py:{line} in parsed")
    assert "    Traceback (most recent call last):" in ended.err.splitlines()


def test_of_many_items_that_are_tried_again_the_first_are_told() -> None:
    def seen(*reasons: str, attempt: int = 1) -> list[StepProgress]:
        retried = tuple(
            MemberProgress(ExecutionKey("f", "n", f"reader-1#{index}"), State.WAITING, attempt, "429")
            for index in range(MOST_RETRIED + 5 if attempt > 1 else 0)
        )
        items = ItemProgress(step_id="read", items=99, failed=len(reasons), reasons=reasons)
        return [StepProgress("read", (), "reader", State.RUNNING, (), items, retried)]

    told = changes(seen(), seen("reader-1#7: no ink: none", attempt=2))
    assert told[0] == "step read[reader-1#0] waiting attempt 2: 429"
    assert told[MOST_RETRIED:] == [
        "and 5 more items of step read that are tried again, or ask",
        "step read[reader-1#7] failed: no ink: none",
    ]
    assert changes(seen("reader-1#7: no ink"), seen("reader-1#7: no ink")) == []
