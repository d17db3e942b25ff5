"""Whether watchers of a log were told what the contract promises (contract: events-24 to events-29).

A watcher notes what it was told, in order: where a subscription began, what was handed over, which entries it was told
are gone, which cursors it took as bookmarks. Each validator compares these notes with what the log held, and gives what
is wrong as sentences, none if the guarantee held. They are for the event log, for the feed of config changes, and for
any other log whose cursors are 1, 2, 3 and so on.

    watch = [Opened(0), Delivered(1, "a"), Delivered(2, "b"), Bookmark(2), Opened(2), Delivered(3, "c")]
    assert validated(watch, {1: "a", 2: "b", 3: "c"}, calls=[["a", "b"], ["c"]]) == {}
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeAlias


class Opened(NamedTuple):
    """A subscription began behind this cursor; the one before it, if any, had ended."""

    after: int


class Delivered(NamedTuple):
    """An entry was handed over. `newest` is a cursor that the log had then, if the watcher looked."""

    cursor: int
    entry: Hashable
    newest: int | None = None


class Gone(NamedTuple):
    """The watcher was told that entries behind `after` are gone, and that it goes on with `first`."""

    after: int
    first: int


class Bookmark(NamedTuple):
    """The subscription told this as its cursor."""

    cursor: int


Note: TypeAlias = Opened | Delivered | Gone | Bookmark
Watch: TypeAlias = Sequence[Note]
"""The notes of one watcher, in the order in which it made them."""

Held: TypeAlias = Mapping[int, Hashable]
"""What the log held: the entry of each cursor, also of those that were pruned later. Each entry is another one."""

Concerns: TypeAlias = Callable[[Hashable], bool]


def _everything(entry: Hashable) -> bool:
    del entry
    return True


def ordered(watch: Watch) -> list[str]:
    """Ordered (contract: events-24): within a subscription cursors only ascend."""
    wrong: list[str] = []
    last = 0
    for note in watch:
        match note:
            case Opened(after):
                last = after
            case Delivered(cursor):
                if cursor < last:
                    wrong.append(f"the entry at cursor {cursor} came after the one at {last}")
                last = cursor
            case _:
                pass
    return wrong


def unique(watch: Watch) -> list[str]:
    """Unique (contract: events-25): no entry comes twice, unless the watcher goes back with a new subscription."""
    wrong: list[str] = []
    seen: dict[int, Hashable] = {}
    for note in watch:
        match note:
            case Opened(after):
                seen = {cursor: entry for cursor, entry in seen.items() if cursor <= after}
            case Delivered(cursor, entry):
                if cursor in seen:
                    wrong.append(f"cursor {cursor} came twice: {seen[cursor]!r}, and then {entry!r}")
                seen[cursor] = entry
            case _:
                pass
    return wrong


def reliable(watch: Watch, held: Held, concerns: Concerns = _everything) -> list[str]:
    """Reliable (contract: events-26): what is handed over is what the log held, and nothing between is left out untold.

    `concerns` says which entries are for this watcher.
    """
    wrong: list[str] = []
    position = 0
    for note in watch:
        match note:
            case Opened(after):
                position = after
            case Gone(_, first):
                position = max(position, first - 1)
            case Delivered(cursor, entry):
                if cursor not in held:
                    wrong.append(f"the log never held the entry {entry!r} at cursor {cursor}")
                elif held[cursor] != entry:
                    wrong.append(f"at cursor {cursor} came {entry!r}, and the log held {held[cursor]!r}")
                if left_out := [one for one in range(position + 1, cursor) if one in held and concerns(held[one])]:
                    wrong.append(f"before cursor {cursor} these were left out: {_some(left_out)}")
                position = max(position, cursor)
            case Bookmark():
                pass
    return wrong


def atomic(watch: Watch, held: Held, calls: Sequence[Sequence[Hashable]]) -> list[str]:
    """Atomic (contract: events-27): what one call wrote is there as a whole or not at all, and stands together.

    `calls` are the entries of each call in their order, also of calls whose outcome is unknown.
    """
    wrong: list[str] = []
    cursors = {entry: cursor for cursor, entry in held.items()}
    ends: dict[int, int] = {}
    for call in calls:
        places = [cursors[entry] for entry in call if entry in cursors]
        if not places:
            continue
        if len(places) < len(call):
            wrong.append(f"of the call {_some(call)} only a part is in the log, at the cursors {_some(places)}")
        elif places != list(range(places[0], places[0] + len(places))):
            wrong.append(f"the entries of the call {_some(call)} do not stand together: {_some(places)}")
        ends.update(dict.fromkeys(places, places[-1]))
    wrong += [
        f"the entry at cursor {note.cursor} came when the log had {note.newest} as its last one, and the call that "
        f"wrote it ends at {ends[note.cursor]}"
        for note in watch
        if isinstance(note, Delivered) and note.newest is not None and note.newest < ends.get(note.cursor, 0)
    ]
    return wrong


def resumable(watch: Watch, held: Held, concerns: Concerns = _everything) -> list[str]:
    """Resumable (contract: events-28): a subscription begins with the first entry behind its cursor that it is for."""
    wrong: list[str] = []
    after: int | None = None
    for note in watch:
        match note:
            case Opened():
                after = note.after
            case Gone(_, first) if after is not None:
                after = first - 1
            case Delivered(cursor) if after is not None:
                expected = next((one for one in sorted(held) if one > after and concerns(held[one])), None)
                if cursor != expected:
                    wrong.append(f"a subscription behind cursor {after} began with {cursor} and not with {expected}")
                after = None
            case _:
                pass
    return wrong


def bookmarkable(watch: Watch, held: Held, concerns: Concerns = _everything) -> list[str]:
    """Bookmarkable (contract: events-29): up to a bookmark all was handed over or told as gone, and nothing follows."""
    wrong: list[str] = []
    settled = bookmark = 0
    delivered: set[int] = set()
    for note in watch:
        match note:
            case Opened(after):
                settled = bookmark = after
            case Gone(_, first):
                settled = max(settled, first - 1)
            case Delivered(cursor):
                if cursor <= bookmark:
                    wrong.append(f"the entry at cursor {cursor} came after the bookmark {bookmark}")
                delivered.add(cursor)
            case Bookmark(cursor):
                if cursor < bookmark:
                    wrong.append(f"the bookmark {cursor} came after {bookmark}")
                waited_for = [
                    one
                    for one in range(settled + 1, cursor + 1)
                    if one not in delivered and one in held and concerns(held[one])
                ]
                if waited_for:
                    wrong.append(f"at the bookmark {cursor} these were still to come: {_some(waited_for)}")
                settled, bookmark = max(settled, cursor), cursor
    return wrong


def validated(
    watch: Watch, held: Held, *, calls: Sequence[Sequence[Hashable]] = (), concerns: Concerns = _everything
) -> dict[str, list[str]]:
    """What each guarantee that was broken says, by its name; empty if all of them held."""
    found = {
        "ordered": ordered(watch),
        "unique": unique(watch),
        "reliable": reliable(watch, held, concerns),
        "atomic": atomic(watch, held, calls),
        "resumable": resumable(watch, held, concerns),
        "bookmarkable": bookmarkable(watch, held, concerns),
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def _some(values: Sequence[Hashable]) -> str:
    shown = ", ".join(map(repr, values[:10]))
    return shown if len(values) <= 10 else f"{shown} and {len(values) - 10} more"
