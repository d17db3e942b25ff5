"""Secrets that a command reads: from a file or standard input, never from its arguments, which other users can see."""

from __future__ import annotations

import sys
from pathlib import Path

from redis_mob.errors import ValidationError, shown
from redis_mob.models.documents import BYTE_ORDER_MARK, TEXT_ENCODING

MOST_BYTES = 4096


def secret_in(file: str | None, option: str = "--secret-file", *, most: int = MOST_BYTES) -> str | None:
    """The secret in a file, or on standard input if that is `-`; None without a file. Raises ValidationError."""
    if file is None:
        return None
    try:
        if file == "-":
            return sys.stdin.read(most).removeprefix(BYTE_ORDER_MARK).strip()
        with Path(file).open(encoding=TEXT_ENCODING) as opened:
            return opened.read(most).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValidationError(f"{option} {shown(file)}: {reason}") from None
