"""What the judge of failovers and resharding takes for a broken guarantee."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.robustness.judging import LOST_EPOCH, Disruption, Entry, Stored, Verdict, judge
from tests.robustness.load import Notes
from tests.robustness.notes import Call, Sighting, Trouble
from tests.robustness.writer import PATIENCE, STALE

DISRUPTIONS = [Disruption(10, 11), Disruption(20, 21)]


def appended(number: int, ended: float = 0.0, *, error: str = "", lasted: float = 0.5) -> Call:
    """An event of writer w, at the cursor behind its number."""
    return Call("ns", "event", "w", number, ended - lasted, ended, 0 if error else number + 1, error)


def counted(number: int) -> Call:
    """A config document of writer w."""
    return replace(appended(number), kind="config", cursor=0)


def seen(number: int, at: float = 1.0) -> Sighting:
    """The follower sees such an event."""
    return Sighting("ns", "event", "w", number, number + 1, at)


def entry(number: int) -> Entry:
    """Such an event as it is stored."""
    return Entry(number + 1, "w", number)


def judged(
    calls: list[Call],
    stored: list[Entry],
    sightings: list[Sighting] | None = None,
    *,
    troubles: tuple[Trouble, ...] = (),
    loses_nothing: bool = False,
    disruptions: list[Disruption] | None = DISRUPTIONS,
) -> Verdict:
    """The verdict on events alone; the follower saw what is stored unless it is said what it saw."""
    if sightings is None:
        sightings = [Sighting("ns", "event", one.writer, one.number, one.cursor, 1.0) for one in stored]
    held = Stored({"ns": stored})
    for one in stored:
        held.numbers["ns", "event", one.writer].append(one.number)
    notes = Notes(calls, sightings, list(troubles))
    return judge(notes, held, loses_nothing=loses_nothing, disruptions=disruptions)


def broken(verdict: Verdict) -> str:
    """The one sentence about the one thing that is broken."""
    [sentence] = verdict.broken
    return sentence


def test_what_was_acknowledged_and_is_there_once_is_right():
    verdict = judged([appended(0), appended(1)], [entry(0), entry(1)], loses_nothing=True, disruptions=None)
    assert (verdict.broken, verdict.lost, verdict.doubled) == ([], [], 0)
    assert verdict.acknowledged == {"event": 2}


def test_what_was_acknowledged_and_is_not_there_is_lost():
    verdict = judged([appended(0), appended(1)], [entry(0)], loses_nothing=True)
    assert [call.number for call in verdict.lost] == [1]
    assert broken(verdict).startswith("acknowledged, and lost: Call")


def test_a_loss_that_no_client_is_told_of_is_broken():
    assert "its writer was not told" in broken(judged([appended(0, 9.9)], []))


@pytest.mark.parametrize(("told_at", "is_right"), [(9.0, False), (12.0, True), (19.9, True), (22.0, False)])
def test_a_loss_is_told_of_after_it_and_before_the_next_disruption(told_at: float, is_right: bool):
    verdict = judged([appended(0, 9.9), appended(1, told_at, error=LOST_EPOCH)], [])
    assert (verdict.broken == []) is is_right


def test_another_writer_that_was_told_does_not_count():
    told = replace(appended(1, 12.0, error=LOST_EPOCH), writer="v")
    assert "its writer was not told" in broken(judged([appended(0, 9.9), told], []))


def test_what_is_there_twice_is_doubled():
    verdict = judged([appended(0)], [entry(0), Entry(2, "w", 0)])
    assert verdict.doubled == 1
    assert "1 numbers of ('ns', 'event', 'w') were written again" in verdict.broken


def test_what_overtook_another_call_of_its_writer_is_broken():
    calls = [replace(appended(number), cursor=2 - number) for number in (0, 1)]
    assert "not in the order" in broken(judged(calls, [Entry(1, "w", 1), Entry(2, "w", 0)]))


def test_an_entry_that_no_call_wrote_is_broken():
    assert "no call wrote it" in broken(judged([appended(0)], [entry(0), entry(1)]))


def test_a_write_that_failed_for_certain_and_is_there_is_broken():
    verdict = judged([appended(0, error="WriteFailedError")], [entry(0)])
    assert any("no call wrote it" in sentence for sentence in verdict.broken)


def test_an_event_at_another_cursor_than_was_told_is_broken():
    assert broken(judged([appended(0)], [Entry(7, "w", 0)])).startswith("is at cursor 7: Call")


@pytest.mark.parametrize("error", ["WriteFailedError", "CasConflictError", "TimeoutError"])
def test_a_call_that_fails_is_broken(error: str):
    assert broken(judged([appended(0, error=error)], [])).startswith("failed: Call")


@pytest.mark.parametrize("error", ["OutcomeUnknownError", "DurabilityError"])
def test_a_call_that_is_given_up_early_is_broken(error: str):
    assert judged([appended(0, error=error, lasted=PATIENCE)], []).broken == []
    assert broken(judged([appended(0, error=error, lasted=PATIENCE - 1)], [])).startswith("failed: Call")


@pytest.mark.parametrize("error", [LOST_EPOCH, STALE])
def test_news_of_a_loss_is_right_after_a_disruption_alone(error: str):
    assert judged([appended(0, error=error)], []).broken == []
    assert broken(judged([appended(0, error=error)], [], disruptions=None)).startswith("failed: Call")


def test_a_follower_that_misses_an_event_is_broken():
    assert "missed ('w', 1)" in broken(judged([appended(0), appended(1)], [entry(0), entry(1)], [seen(0)]))


def test_a_follower_that_sees_an_event_twice_is_broken():
    assert "saw ('w', 0) 2 times" in broken(judged([appended(0)], [entry(0)], [seen(0), seen(0)]))


def test_a_follower_that_sees_events_out_of_order_is_broken():
    verdict = judged([appended(0), appended(1)], [entry(0), entry(1)], [seen(1), seen(0)])
    assert "out of order" in broken(verdict)


def test_a_follower_that_misses_a_document_is_broken():
    stored = Stored({"ns": []})
    stored.numbers["ns", "config", "w"].append(0)
    verdict = judge(Notes([counted(0)]), stored, loses_nothing=True)
    assert "the follower of the configs of ns missed ('w', 0)" in broken(verdict)


@pytest.mark.parametrize(("told_at", "is_right"), [(9.0, False), (12.0, True), (22.0, False)])
def test_a_follower_is_told_when_what_it_saw_is_lost(told_at: float, is_right: bool):
    told = Trouble("ns", "event", told_at, LOST_EPOCH, kept=0)
    verdict = judged([appended(0, error=STALE)], [], [seen(0, 9.5)], troubles=(told,))
    assert (verdict.broken == []) is is_right


def test_a_follower_goes_on_where_what_it_saw_differs_from_what_is_there():
    calls, stored = [appended(0), replace(appended(1), cursor=2), appended(2, error=LOST_EPOCH)], [entry(0), entry(1)]
    sightings = [seen(0), replace(seen(2), cursor=2), seen(1, 13.0)]

    def broken_after(kept: int) -> list[str]:
        told = Trouble("ns", "event", 12.0, LOST_EPOCH, kept)
        return judged(calls, stored, sightings, troubles=(told,)).broken

    assert broken_after(1) == []
    assert any("goes on with the lost ('w', 2)" in sentence for sentence in broken_after(2))
    assert any("missed ('w', 0)" in sentence for sentence in broken_after(0))


def test_a_follower_that_fails_is_broken():
    verdict = judged([appended(0)], [entry(0)], troubles=(Trouble("ns", "event", 1.0, "ReadFailedError"),))
    assert broken(verdict).startswith("failed: Trouble")
