"""Puts what a handler asks to the person at the client, and reads the answer (contract: mcp-6)."""

from __future__ import annotations

from typing import Any, cast

from mcp.types import ElicitRequestFormParams, ElicitResult

from redis_mob.fleet.said import bounded
from redis_mob.mcp.run_handle import MOST_PAYLOAD_BYTES
from redis_mob.models.ask import PendingAsk
from redis_mob.models.base import json_text
from redis_mob.operations.asks import GivenAnswer
from redis_mob.operations.forking import UNCHANGED

APPROVE, DENY = "approve", "deny"

_PRIMITIVES = ("string", "number", "integer", "boolean")
"""Types of a value that a form can ask for."""


def form_of(pending: PendingAsk) -> ElicitRequestFormParams:
    """The form: whether to approve, a message, and another value where that is a text, a number or a truth value."""
    ask, payload = pending.ask, json_text(pending.ask.payload)
    shown = "" if ask.payload is None else f"\n\n{bounded(payload, MOST_PAYLOAD_BYTES)}"
    properties: dict[str, Any] = {
        "decision": {"type": "string", "enum": [APPROVE, DENY], "description": "Whether this may be done."},
        "message": {"type": "string", "description": "What to tell the one who asks."},
    }
    if (kind := _primitive(ask.value_schema)) is not None:
        properties["value"] = {"type": kind, "description": "Approve this instead of what is asked for."}
    return ElicitRequestFormParams(
        message=f"Step {pending.step_id} of flow {pending.flow_id} asks: {ask.kind}{shown}",
        requested_schema={"type": "object", "properties": properties, "required": ["decision"]},
    )


def answer_in(pending: PendingAsk, result: ElicitResult, by: str) -> GivenAnswer | None:
    """The answer of a form that was submitted with a decision; None for one that was declined or dismissed."""
    content = result.content or {}
    decision = content.get("decision")
    if result.action != "accept" or decision not in (APPROVE, DENY):
        return None
    approved = decision == APPROVE
    is_edited = approved and content.get("value") is not None and _primitive(pending.ask.value_schema) is not None
    message = content.get("message")
    return GivenAnswer(
        approved,
        content["value"] if is_edited else UNCHANGED,
        message if isinstance(message, str) and message else None,
        by,
    )


def _primitive(schema: Any) -> str | None:
    kind = cast("dict[str, Any]", schema).get("type") if isinstance(schema, dict) else None
    return kind if kind in _PRIMITIVES else None
