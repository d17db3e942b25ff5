"""Numbers as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes, as `1.5 GiB`."""
    if count < 1024:
        return f"{count} B"
    number, unit = count / 1024, "KiB"
    for greater in ("MiB", "GiB", "TiB"):
        if number >= 1024:
            number, unit = number / 1024, greater
    return f"{number:.1f} {unit}"


def milliseconds(seconds: float) -> str:
    """A time in milliseconds, as `0.12 ms`."""
    return f"{seconds * 1000:.2f} ms"
