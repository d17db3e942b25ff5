"""Signals: what is sent to a run from outside, for a step of it that waits."""

from typing import Any, NamedTuple

from redis_mob.models.base import JsonValue, Model

MOST_QUEUED = 10_000
"""Signals of one run that may wait for a step to take them."""

MOST_PUBLISHED = 1_000
"""Values that the handlers of one run may publish, each under a key of its own."""


class Signal(Model):
    """A signal of a run that no step has taken yet; those of one name are taken in the order of their sending."""

    name: str
    payload: JsonValue = None


class Sent(NamedTuple):
    """The number of a signal among those of its run, and whether it was sent before with the same idempotency key."""

    number: int
    is_repeated: bool = False


class Published(NamedTuple):
    """What a run has published under a name: its value, if there is one; and whether the run is over."""

    is_over: bool
    is_there: bool = False
    value: Any = None


class Taken(NamedTuple):
    """That a step took a signal: which step, in which node and frame, and what it gave as its output.

    `iteration` is that of the loop body the step is in, None outside of loops.
    """

    step_id: str
    node_id: str
    frame_id: str
    iteration: int | None
    output: Any
