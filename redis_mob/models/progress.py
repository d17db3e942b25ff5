"""What handlers tell while they are at work: reports and chunks of streams (contract: progress-1)."""

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

from redis_mob.models.base import U32, U64, JsonValue, Model, Timestamp
from redis_mob.models.run_status import MobRunStatus

MOST_ENTRIES = 10_000
"""How many entries of a run are kept at least, if they fit; of more, the oldest ones go."""

MOST_BYTES_OF_RUN = 16 * 1024 * 1024
"""How many bytes of entries of a run are kept at least; of more, the oldest ones go."""

MOST_BYTES = 16 * 1024
"""How long a chunk, or a report, may be as JSON."""

KEPT_SECONDS = 24 * 60 * 60
"""How long the entries of a run are kept after the newest of them."""

OUTPUT = "output"
"""The topic of chunks that name none."""

REPORT = "report"
"""The topic of reports; no stream may have it."""


class ProgressSource(NamedTuple):
    """Which attempt tells: the same fields as an entry has."""

    step_id: str
    node_id: str
    frame_id: str
    iteration: int | None
    member: str
    attempt: int
    fencing_token: int


class NewProgress(NamedTuple):
    """An entry before it is stored, of which the storage gives offset and time.

    `value` is any JSON: of a chunk the chunk, of a report `{"fraction": ..., "message": ..., "data": ...}`.
    """

    source: ProgressSource
    kind: Literal["report", "chunk", "reset", "end"]
    topic: str = ""
    number: int = 0
    lost: int = 0
    succeeded: bool = False
    value: Any = None


class _OfAttempt(Model):
    """What one attempt of a member at a step has told.

    `offset` grows by 1 from entry to entry of a run, from 1 on, and `at` is the server's time. `fencing_token` tells
    attempts apart: what an attempt with a smaller token tells after one with a greater token counts for nothing.
    """

    offset: U64
    at: Timestamp
    step_id: str
    node_id: str
    frame_id: str
    iteration: U64 | None
    member: str
    attempt: U32
    fencing_token: U64


class ProgressReport(_OfAttempt):
    """How far a handler has come: `fraction` from 0 to 1, a message, and any data; what it did not say is None."""

    kind: Literal["report"] = "report"
    topic: Literal["report"] = "report"
    fraction: float | None = None
    message: str | None = None
    data: JsonValue | None = None


class StreamChunk(_OfAttempt):
    """A chunk of a stream. `number` counts those of the attempt in this topic from 0; `lost` says how many before it
    could not be stored, since the server was away for too long."""

    kind: Literal["chunk"] = "chunk"
    topic: str
    number: U64
    lost: U64
    value: JsonValue


class StreamReset(_OfAttempt):
    """Another attempt begins to tell: what earlier ones of this member at this step have told is void."""

    kind: Literal["reset"] = "reset"


class StreamEnd(_OfAttempt):
    """The handler has ended: it returned if it `succeeded`, and raised or ran out of time if not."""

    kind: Literal["end"] = "end"
    succeeded: bool


class RunOver(Model):
    """The run is over, and nothing more comes. `offset` is that of the entry before, 0 if there was none."""

    kind: Literal["run_over"] = "run_over"
    offset: U64
    status: MobRunStatus


StoredProgress: TypeAlias = Annotated[
    ProgressReport | StreamChunk | StreamReset | StreamEnd, Field(discriminator="kind")
]
"""What handlers have told."""

ProgressEntry: TypeAlias = Annotated[
    ProgressReport | StreamChunk | StreamReset | StreamEnd | RunOver, Field(discriminator="kind")
]
"""What a watcher of a run is told, told apart by `kind`."""


class ProgressPage(NamedTuple):
    """What was read of a run: its status, the offset of its newest entry (0 if there is none), and entries."""

    status: MobRunStatus
    newest: int
    entries: tuple[StoredProgress, ...]


STORED_PROGRESS: TypeAdapter[StoredProgress] = TypeAdapter(StoredProgress, config=ConfigDict(defer_build=True))
"""Reads what handlers have told."""
