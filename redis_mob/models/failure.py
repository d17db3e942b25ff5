"""How a failed turn is described, in events and in the failure ledger (contract: json-12)."""

from pydantic import Field

from redis_mob.models.base import JsonValue, Model, is_none


class AgentErrorReport(Model):
    """A classified failure of an agent: its class, a machine-readable reason if there is one, and a text."""

    error_class: str = Field(alias="class")
    reason: JsonValue | None = Field(default=None, exclude_if=is_none)
    message: str


class TurnError(Model):
    """What ended a turn, as its runtime reported it."""

    kind: str
    terminal: bool = False
    outcome: str | None = Field(default=None, exclude_if=is_none)
    detail: str | None = Field(default=None, exclude_if=is_none)
    provider: str | None = Field(default=None, exclude_if=is_none)
    model: str | None = Field(default=None, exclude_if=is_none)
    retryable: bool | None = Field(default=None, exclude_if=is_none)
