"""The validators of watches: notes that keep each guarantee, and notes that break one."""

from __future__ import annotations

import pytest

from redis_mob.testing.watching import Bookmark, Delivered, Gone, Note, Opened, validated

HELD = {cursor: f"entry {cursor}" for cursor in range(1, 8)}
CALLS = [["entry 1"], ["entry 2", "entry 3", "entry 4"], ["entry 5"], ["never written"], ["entry 6", "entry 7"]]


def came(*cursors: int) -> list[Note]:
    return [Delivered(cursor, HELD[cursor]) for cursor in cursors]


KEPT: dict[str, list[Note]] = {
    "nothing": [],
    "all": [Opened(0), *came(1, 2, 3, 4, 5, 6, 7), Bookmark(7)],
    "a part": [Opened(2), *came(3, 4)],
    "resumed": [Opened(0), *came(1, 2), Bookmark(2), Opened(2), *came(3)],
    "once more": [Opened(0), *came(1, 2, 3), Opened(1), *came(2, 3)],
    "behind what is gone": [Opened(0), *came(1), Gone(1, 4), *came(4, 5), Bookmark(5)],
    "what is gone first": [Opened(1), Gone(1, 4), *came(4)],
    "the whole call is there": [Opened(1), Delivered(2, "entry 2", 4)],
}

BROKEN: dict[str, tuple[str, list[Note]]] = {
    "back within a subscription": ("ordered", [Opened(0), *came(1, 3, 2)]),
    "before its beginning": ("ordered", [Opened(3), *came(2)]),
    "twice": ("unique", [Opened(0), *came(1, 2, 2)]),
    "again after it was resumed": ("unique", [Opened(0), *came(1, 2), Opened(2), *came(2)]),
    "left out": ("reliable", [Opened(0), *came(1, 3)]),
    "left out where more than that was gone": ("reliable", [Opened(0), Gone(0, 2), *came(3)]),
    "another entry": ("reliable", [Opened(0), Delivered(1, "another")]),
    "what there never was": ("reliable", [Opened(7), Delivered(8, "entry 8")]),
    "a part of a call": ("atomic", [Opened(1), Delivered(2, "entry 2", 3)]),
    "the first one behind its cursor left out": ("resumable", [Opened(2), *came(4)]),
    "a bookmark too far ahead": ("bookmarkable", [Opened(0), *came(1), Bookmark(2), *came(2)]),
    "a bookmark that falls": ("bookmarkable", [Opened(0), *came(1, 2), Bookmark(2), Bookmark(1)]),
}


@pytest.mark.parametrize("notes", KEPT.values(), ids=KEPT.keys())
def test_notes_that_keep_all_guarantees_are_accepted(notes: list[Note]) -> None:
    assert validated(notes, HELD, calls=CALLS) == {}


@pytest.mark.parametrize(("guarantee", "notes"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_guarantee_is_named(guarantee: str, notes: list[Note]) -> None:
    assert guarantee in validated(notes, HELD, calls=CALLS)


@pytest.mark.parametrize(
    "call",
    [["entry 1", "never written"], ["entry 1", "entry 3"], ["entry 3", "entry 2"]],
    ids=["part", "apart", "order"],
)
def test_a_call_that_is_not_in_the_log_as_it_was_made_breaks_atomicity(call: list[str]) -> None:
    assert list(validated([], HELD, calls=[call])) == ["atomic"]


def test_entries_that_do_not_concern_a_watcher_are_not_waited_for() -> None:
    def concerns(entry: object) -> bool:
        return entry in ("entry 1", "entry 5")

    assert validated([Opened(0), *came(1), Bookmark(4), *came(5), Bookmark(7)], HELD, concerns=concerns) == {}
    found = validated([Opened(0), *came(1), Bookmark(5)], HELD, concerns=concerns)
    assert found == {"bookmarkable": ["at the bookmark 5 these were still to come: 5"]}


def test_a_long_list_of_cursors_is_cut() -> None:
    held = {cursor: cursor for cursor in range(1, 40)}
    [text] = validated([Opened(0), Delivered(30, 30)], held)["reliable"]
    assert text == "before cursor 30 these were left out: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 19 more"
