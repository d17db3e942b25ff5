"""What a host store says of what it refuses, in the same words on every backend."""

from __future__ import annotations

from redis_mob.errors import InternalError, ReadFailedError, shortened
from redis_mob.models.host import ScopeRef, ScopeUpdate


def dropped(scope: ScopeRef, start: int, first: int) -> InternalError:
    """Rows were asked for that were dropped."""
    return InternalError(f"{shortened(scope)}: row {start} was dropped; the first one that is there is {first}")


def recreated(scope: ScopeRef) -> InternalError:
    """A scope is to be created whose name was deleted."""
    return InternalError(f"{shortened(scope)} was deleted; a new scope needs a name of its own")


def undroppable(update: ScopeUpdate, first: int) -> InternalError:
    """New rows would take the indices of rows that were dropped."""
    return InternalError(
        f"{shortened(update.scope)}: truncate_after {update.truncate_after} is before row {first}, the first one that "
        "is there: the rows before it were dropped, and no others take their indices"
    )


def is_changing(scope: ScopeRef) -> ReadFailedError:
    """Rows of one version could not be read."""
    return ReadFailedError(f"{shortened(scope)} changes while its rows are read: read fewer of them at once")
