"""What a command says when what an extra installs is missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from redis_mob.errors import ValidationError


@contextmanager
def needs_extra(what: str, extra: str) -> Generator[None]:
    """Turn an import that fails into a ValidationError that says what to install for a command or an option."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "redis_mob":
            raise
        raise ValidationError(
            f"{what} needs {missing}, which is not installed: pip install 'redis-mob[{extra}]'"
        ) from None
