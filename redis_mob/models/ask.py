"""What handlers ask people, and what these answer (contract: ask-1)."""

from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from redis_mob.models.base import U32, JsonValue, Model, RunId, Timestamp, is_empty, is_none

ANSWER_NEWS = "redis_mob.answer"
"""The name of the signal that tells a run of an answer: no step waits for it."""

LONGEST_KIND = 200
"""Bytes of the kind of an ask, in UTF-8."""

LONGEST_MESSAGE = 10_000
"""Characters of the message of an answer, and of the name of who gave it."""


class Ask(Model):
    """A question of a handler to people, which no one has answered yet.

    It is told apart by its `kind`, its `ordinal` among the asks of that kind, from 0, in the order in which the handler
    makes them, and a digest of what it asks for. Its `id` is made of these and its execution, so that the same ask has
    the same id whenever the handler runs. A value that is edited has to fit the `value_schema`. After `until` it counts
    as not answered.
    """

    id: str
    kind: str
    ordinal: U32 = 0
    digest: str
    payload: JsonValue = None
    value_schema: JsonValue | None = Field(default=None, exclude_if=is_none)
    asked_at: Timestamp
    until: Timestamp | None = Field(default=None, exclude_if=is_none)


class Answer(Model):
    """What was answered: approved or denied, with a message, by whom, as far as that was said.

    `value` is what is approved: what was asked for, or what that was `edited` to; None of what is denied.
    """

    approved: bool
    value: JsonValue = None
    edited: bool = Field(default=False, exclude_if=is_empty)
    message: str | None = Field(default=None, exclude_if=is_none)
    by: str | None = Field(default=None, exclude_if=is_none)


class AskPlace(NamedTuple):
    """Where an ask stands among all that are pending: they are listed in this order."""

    asked_at: datetime
    run_id: str
    ask_id: str


class PendingAsk(Model):
    """An ask that waits for an answer, and the execution whose handler asks."""

    run_id: RunId
    mob_id: str
    flow_id: str
    step_id: str
    frame_id: str
    node_id: str
    target: str
    ask: Ask

    @property
    def place(self) -> AskPlace:
        """Where it stands among all that are pending."""
        return AskPlace(self.ask.asked_at, self.run_id, self.ask.id)


class AnsweredAsk(Model):
    """What a handler has asked people and was answered; an `answer` of None says that its time was over.

    What was asked for is not kept: the `value` of an answer is what was approved in its place, if it was edited.
    """

    run_id: RunId
    step_id: str
    frame_id: str
    node_id: str
    target: str
    kind: str
    ordinal: U32
    answer: Answer | None
