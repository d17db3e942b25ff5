"""What is posted to which URL, and how far that is."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from redis_mob.models.base import U32, U64, Items, Model, Timestamp, is_empty, is_none
from redis_mob.models.secret import SecretModel

MAX_ATTEMPTS = 40
"""With the pauses between them, that is about a day (contract: operations-225)."""

TIMEOUT_MS = 10_000
"""How long an attempt may take, unless the webhook says something else."""


class Webhook(Model):
    """Which events are posted to which URL.

    Without `mob_id`, `flow_id` and `kinds` it is told all events of the namespace. After `max_attempts` at an event
    that event is a dead letter; each attempt takes `timeout_ms` at most. `pause_reason` says why a worker has paused
    it.
    """

    name: str
    url: str
    mob_id: str | None = Field(default=None, exclude_if=is_none)
    flow_id: str | None = Field(default=None, exclude_if=is_none)
    kinds: Items[str] | None = Field(default=None, exclude_if=is_none)
    max_attempts: U32 = MAX_ATTEMPTS
    timeout_ms: U32 = TIMEOUT_MS
    paused: bool = Field(default=False, exclude_if=is_empty)
    pause_reason: str | None = Field(default=None, exclude_if=is_none)
    created_at: Timestamp

    @property
    def timeout(self) -> timedelta:
        """How long an attempt may take."""
        return timedelta(milliseconds=self.timeout_ms)


class HeldRun(Model):
    """A run whose events wait, since one of them could not be delivered.

    `lane` is the run's id, or the mob of events that are about no run. `cursor` is the event that is tried; of the
    others that wait, `following` is the first one and `last` the last one.
    """

    lane: str
    cursor: U64
    attempts: U32
    since: Timestamp
    next_at: Timestamp
    error: str
    following: U64 | None = Field(default=None, exclude_if=is_none)
    last: U64 | None = Field(default=None, exclude_if=is_none)


class EventMark(Model):
    """An event that was there: another one under its cursor, or none, means that the log has gone back."""

    cursor: U64
    timestamp: Timestamp


class WebhookProgress(Model):
    """How far a webhook is.

    Up to `cursor` all events are done with, but for those of the runs that are `held`; of those behind it, the ones in
    `done`. Nothing is posted before `rest_until`. `delivered` counts events, `dead` those that became dead letters, and
    `missed` those that were gone from the log before they were read. `note` says what was missed last, and why.
    `revision` is that of the webhook as it was when this was written.
    """

    cursor: U64
    done: Items[U64] = Field(default=(), exclude_if=is_empty)
    held: Items[HeldRun] = Field(default=(), exclude_if=is_empty)
    marks: Items[EventMark] = Field(default=(), exclude_if=is_empty)
    rest_until: Timestamp | None = Field(default=None, exclude_if=is_none)
    delivered: U64 = 0
    dead: U64 = Field(default=0, exclude_if=is_empty)
    missed: U64 = Field(default=0, exclude_if=is_empty)
    delivered_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    note: str | None = Field(default=None, exclude_if=is_none)
    note_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    revision: U64 = Field(default=0, exclude_if=is_empty)


class DeadLetter(Model):
    """An event that could not be delivered: after so many attempts, the last of which ended with this error."""

    cursor: U64
    kind: str
    run_id: str | None = Field(default=None, exclude_if=is_none)
    attempts: U32
    error: str
    at: Timestamp


class StoredWebhook(SecretModel):
    """A webhook, the secret that it signs with, and how far it is.

    `revision` is what a compare-and-swap compares: no two writes of a namespace have the same. `dead_letters` is how
    many there are; `dropped` counts those that were too old to be kept. `turn_until` is until when a worker has the
    turn to deliver it.
    """

    webhook: Webhook
    secret: str = Field(repr=False)
    revision: U64
    progress: WebhookProgress
    dead_letters: U64 = 0
    dropped: U64 = 0
    turn_until: Timestamp | None = None


class Webhooks(NamedTuple):
    """All webhooks by name, the time, and what cannot be read of them."""

    webhooks: tuple[StoredWebhook, ...]
    now: datetime
    unreadable: tuple[str, ...] = ()


class WebhookTurn(NamedTuple):
    """A turn to deliver a webhook: the number that the next `advance` compares, the time, the webhook's revision, and
    letters that are to be delivered again. `progress` is what is stored, where a turn begins."""

    number: int
    now: datetime
    revision: int
    again: tuple[DeadLetter, ...]
    progress: WebhookProgress | None = None
