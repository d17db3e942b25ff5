"""Numbers, sizes and times as people read them. Pure."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from redis_mob.operations.states import State

STYLES = {
    State.WAITING: "dim",
    State.RUNNING: "bold cyan",
    State.COMPLETED: "green",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
    State.CANCELED: "yellow",
}


def seconds_text(seconds: float) -> str:
    """`1.2 s`, `2:05`, `1:02:05`; below a tenth of a second `35 ms`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
