"""A run with all that is kept beside it, to be written to a file and stored elsewhere."""

from typing import Any

from pydantic import Field, SerializeAsAny

from redis_mob.models.ask import ANSWER_NEWS
from redis_mob.models.base import U64, Items, JsonValue, Model, SortedDict, Timestamp, is_empty, is_none
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.execution import Execution, ExecutionStatus, ItemProgress, RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Signal


class ExecutionCopy(Model):
    """An execution, and which one it is."""

    frame_id: str
    node_id: str
    target: str
    execution: Execution


class ItemsCopy(Model):
    """The items of a step with `for_each`, and how far it is with them."""

    frame_id: str
    node_id: str
    progress: ItemProgress
    values: Items[JsonValue]


class SignalCopy(Model):
    """A signal that no step has taken, and its number."""

    number: U64
    signal: Signal


class CheckpointsCopy(Model):
    """What calls within the handler of one execution have given."""

    frame_id: str
    node_id: str
    target: str
    checkpoints: Items[Checkpoint]


class EventCopy(Model):
    """An event of the run, without its cursor: that is of the log that it is in."""

    timestamp: Timestamp
    mob_id: str
    kind: JsonValue
    envelope: JsonValue | None = Field(default=None, exclude_if=is_none)


def has_no_labels(labels: object) -> bool:
    """Whether there are neither attributes nor a summary: then they are not written."""
    return labels == NO_LABELS


class RunCopy(Model):
    """A run of a fleet at one moment (contract: operations-207).

    `version`, `reports` and `moves` are those of `RunView`. `published` has the values by name. The definition is known
    by the digest in `launch`, and kept apart.
    """

    run: SerializeAsAny[MobRun]
    launch: RunLaunch
    launched_at: Timestamp
    cancel_requested: bool = False
    version: U64
    reports: U64 = 0
    moves: U64 = Field(default=0, exclude_if=is_empty)
    executions: Items[ExecutionCopy] = ()
    items: Items[ItemsCopy] = Field(default=(), exclude_if=is_empty)
    signals: Items[SignalCopy] = Field(default=(), exclude_if=is_empty)
    published: SortedDict[JsonValue] = Field(default=SortedDict(), exclude_if=is_empty)
    checkpoints: Items[CheckpointsCopy] = Field(default=(), exclude_if=is_empty)
    labels: Labels = Field(default=NO_LABELS, exclude_if=has_no_labels)
    events: Items[EventCopy] = ()

    def waiting_again(self) -> "RunCopy":
        """The same run without the leases of its workers: what they executed waits, with the same attempt, and so does
        what asks people, which asks again what is not answered.

        A result that one of them still has is refused: the fencing token is another one.
        """
        signals = tuple(one for one in self.signals if one.signal.name != ANSWER_NEWS)
        return self.model_copy(update={"executions": tuple(map(_waiting_again, self.executions)), "signals": signals})

    @property
    def last_signal(self) -> int:
        """A number that no signal behind it may have."""
        taken = [one.execution.signal or 0 for one in self.executions]
        return max([*taken, *(one.number for one in self.signals)], default=0)


def _waiting_again(copy: ExecutionCopy) -> ExecutionCopy:
    one = copy.execution
    changes: dict[str, Any] = {"asks": ()} if one.asks else {}
    if one.status in (ExecutionStatus.LEASED, ExecutionStatus.ASKING):
        changes |= {"status": ExecutionStatus.WAITING, "lease": None, "fencing_token": one.fencing_token + 1}
    if not changes:
        return copy
    return copy.model_copy(update={"execution": one.model_copy(update=changes)})
