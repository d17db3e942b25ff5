"""Numbers, sizes, times and attributes as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.models.labels import AttributeValue, attribute_text
from redis_mob.models.states import State

SHORT_REASON = 200
"""Characters of the reason of a failure that are shown in a line."""

STYLES = {
    State.WAITING: "dim",
    State.RUNNING: "bold cyan",
    State.COMPLETED: "green",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
    State.CANCELED: "yellow",
}


def duration_text(seconds: float | None) -> str:
    """A length of time in its two greatest units, as `35 ms`, `1.2 s`, `3 m 20 s` or `2 d 4 h`; `-` for none."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0)
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{int(seconds)} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    first = next(at for at, (number, _) in enumerate(units) if number)
    return " ".join(f"{number} {unit}" for number, unit in units[first : first + 2] if number)


def size_text(size: int) -> str:
    """`61 B`, `1.5 KB`, `2.0 MB`, `1.2 GB`: powers of 1024."""
    if size < 1024:
        return f"{size} B"
    number, unit = size / 1024, "KB"
    for greater in ("MB", "GB"):
        if number >= 1024:
            number, unit = number / 1024, greater
    return f"{number:.1f} {unit}"


def time_text(moment: datetime) -> str:
    """Day and time to the second, in the zone of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def clock_text(moment: datetime) -> str:
    """The time of the day alone."""
    return f"{moment.astimezone():%H:%M:%S}"


def state_text(state: State) -> Text:
    """The word of a state in its colour."""
    return Text(str(state), style=STYLES[state])


def attributes_text(attributes: Mapping[str, AttributeValue]) -> str:
    """Attributes in one line."""
    return " ".join(f"{printable(name)}={printable(attribute_text(value))}" for name, value in attributes.items())
