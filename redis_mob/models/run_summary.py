"""What a list of runs shows of each, which runs are asked for, and a page of the list."""

from datetime import datetime, timedelta

from pydantic import Field
from pydantic_core import to_json

from redis_mob.models.base import U32, Items, JsonValue, Model, RunId, SortedDict, Timestamp, is_empty, is_none
from redis_mob.models.labels import AttributeValue, attribute_text
from redis_mob.models.pause import PauseScope
from redis_mob.models.run_status import MobRunStatus


class RunSummary(Model):
    """A run in a list: what can be told of it without reading it as a whole.

    `launched_at` is when a fleet may begin with it, None if no fleet drives it; `definition` is the digest of what it
    was started with. `active_nodes` counts the steps and loops that are under way. `parent` is the run whose step runs
    this one. Of a failed run `failure` is the first line of the reason that was recorded last, and `failed_step` the
    step that it was recorded for, None if it was the flow itself. `attributes` and `summary` are what it was given to
    be found by. `conversation` is that in which it was started, `waits_for_turn` says whether it waits there. `paused`
    says what is paused of the run itself, its flow and its mob; a store tells only of the run.
    """

    run_id: RunId
    mob_id: str
    flow_id: str
    status: MobRunStatus
    created_at: Timestamp
    launched_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    completed_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    release: str | None = Field(default=None, exclude_if=is_none)
    definition: str | None = Field(default=None, exclude_if=is_none)
    cancel_requested: bool = Field(default=False, exclude_if=is_empty)
    paused: Items[PauseScope] = Field(default=(), exclude_if=is_empty)
    conversation: str | None = Field(default=None, exclude_if=is_none)
    waits_for_turn: bool = Field(default=False, exclude_if=is_empty)
    active_nodes: U32 = Field(default=0, exclude_if=is_empty)
    parent: RunId | None = Field(default=None, exclude_if=is_none)
    failed_step: str | None = Field(default=None, exclude_if=is_none)
    failure: str | None = Field(default=None, exclude_if=is_none)
    attributes: SortedDict[AttributeValue] = Field(default=SortedDict(), exclude_if=is_empty)
    summary: str | None = Field(default=None, exclude_if=is_none)

    def duration(self, now: datetime) -> timedelta:
        """How long it has taken, until now if it is not over; nothing before it may begin."""
        begun = self.created_at if self.launched_at is None else self.launched_at
        return max((self.completed_at or now) - begun, timedelta())


class RunFilter(Model):
    """Which runs are asked for: those to which all that is given applies.

    A run is created at or after `since`, and before `until`. `text` stands in its parameters as they are in JSON, in
    upper or lower case. No statuses means any. It has all `attributes`, each with a value of the same text: that of a
    number or truth value is its JSON.
    """

    mob_id: str | None = None
    flow_id: str | None = None
    statuses: Items[MobRunStatus] = ()
    since: Timestamp | None = None
    until: Timestamp | None = None
    text: str | None = None
    attributes: SortedDict[AttributeValue] = SortedDict()

    @property
    def any_of(self) -> tuple[MobRunStatus, ...]:
        """The statuses that a run may have, each once."""
        return tuple(status for status in MobRunStatus if not self.statuses or status in self.statuses)

    @property
    def is_by_status_alone(self) -> bool:
        """Whether a status says all that is asked for."""
        return not self.attributes and {self.mob_id, self.flow_id, self.since, self.until, self.text} == {None}

    def includes(self, run: RunSummary) -> bool:
        """Whether it asks for a run, whose parameters are another question."""
        return (
            (self.mob_id is None or run.mob_id == self.mob_id)
            and (self.flow_id is None or run.flow_id == self.flow_id)
            and run.status in self.any_of
            and (self.since is None or run.created_at >= self.since)
            and (self.until is None or run.created_at < self.until)
            and not any(self.lacks(name, run) for name in self.attributes)
        )

    def lacks(self, name: str, run: RunSummary) -> bool:
        """Whether a run has another value of an attribute that is asked for, or none."""
        value = run.attributes.get(name)
        return value is None or attribute_text(value) != attribute_text(self.attributes[name])

    def is_in(self, params: JsonValue) -> bool:
        """Whether the text is in the parameters of a run; quotes and line feeds may be written as they are, too."""
        if self.text is None:
            return True
        within, wanted = to_json(params).decode().casefold(), self.text.casefold()
        return wanted in within or to_json(wanted).decode()[1:-1] in within


ANY_RUN = RunFilter.unchecked()
"""All runs."""


class RunPage(Model):
    """Some runs of a list, the newest first; `next` is what the next page is `after`, None if this is the last one.

    `now` is the time of the server.
    """

    runs: Items[RunSummary]
    next: str | None = None
    now: Timestamp
