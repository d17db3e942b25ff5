"""How what people are asked is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from redis_mob.cli.columns import table_lines
from redis_mob.cli.endings import print_line
from redis_mob.cli.printing import standard_output, write
from redis_mob.cli.words import time_text
from redis_mob.models.ask import Answer, AnsweredAsk, PendingAsk
from redis_mob.models.base import json_text

MOST_SHOWN = 2_000
"""Characters of what is asked for in a row: who approves it has to have read it."""


def show_inbox(found: Sequence[PendingAsk], *, json: bool) -> None:
    """A row, or an object, for each ask."""
    if json:
        for one in found:
            print_line(one.model_dump_json())
        return
    if not found:
        print_line("nothing waits for an answer")
        return
    paper = standard_output()
    write(paper.rendered(*inbox_lines(found, paper.columns)))


def show_answers(found: Sequence[AnsweredAsk], *, json: bool) -> None:
    """A row, or an object, for each ask of a run that was answered."""
    if json:
        for one in found:
            print_line(one.model_dump_json())
        return
    if not found:
        print_line("nothing was answered in this run")
        return
    paper = standard_output()
    write(paper.rendered(*answer_lines(found, paper.columns)))


def answer_lines(found: Sequence[AnsweredAsk], width: int | None) -> Iterator[Text]:
    """A table of answers, whole in what was approved; see `table_lines`."""
    rows = [(one.step_id, one.target, one.kind, *_answer(one.answer)) for one in found]
    names = ("STEP", "MEMBER", "KIND", "ANSWER", "BY", "MESSAGE", "VALUE")
    return table_lines(names, rows, width, below=("VALUE",))


def _answer(answer: Answer | None) -> tuple[str, str, str, str]:
    """What was answered, by whom, with which message, and what was approved by it."""
    if answer is None:
        return "none in time", "-", "-", "-"
    how = ("approved, edited" if answer.edited else "approved") if answer.approved else "denied"
    value = "-" if answer.value is None else _payload(json_text(answer.value))
    return how, answer.by or "-", answer.message or "-", value


def inbox_lines(found: Sequence[PendingAsk], width: int | None) -> Iterator[Text]:
    """A table of asks, whole in what is asked for; see `table_lines`."""
    rows = [
        (
            one.ask.id,
            one.run_id,
            one.step_id,
            one.ask.kind,
            time_text(one.ask.asked_at),
            "-" if one.ask.until is None else time_text(one.ask.until),
            "-" if one.ask.payload is None else _payload(json_text(one.ask.payload)),
        )
        for one in found
    ]
    names = ("ID", "RUN", "STEP", "KIND", "SINCE", "UNTIL", "PAYLOAD")
    return table_lines(names, rows, width, ids=("RUN",), whole=("ID",), below=("PAYLOAD",))


def _payload(text: str) -> str:
    """What is asked for, as far as a person reads it in a row."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text):,} characters, all with --json)"
