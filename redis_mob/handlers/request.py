"""What a program or a service is told of a step: one JSON object, the same for all of them."""

from __future__ import annotations

from typing import Any

from redis_mob.fleet.step_context import StepContext
from redis_mob.models.base import json_text
from redis_mob.models.message import Media, Message, text_of_block


def request_of(ctx: StepContext) -> dict[str, Any]:
    """The fields of a context that have a meaning outside of the worker, as JSON values.

    `deadline` is a time in UTC as ISO 8601 has it, `message` a text or a list of blocks, `previous_failure` null or an
    object with `reason`, `error_class` and `detail`. In a step with `for_each` there are `item`, `index` and `items`
    too. A field that is added later is no break: readers ignore it.
    """
    failure = ctx.previous_failure
    of_item = {} if ctx.index is None else {"item": ctx.item, "index": ctx.index, "items": ctx.items}
    return {
        "mob_id": ctx.mob_id,
        "flow_id": ctx.flow_id,
        "run_id": ctx.run_id,
        "step_id": ctx.step_id,
        "iteration": ctx.iteration,
        "role": ctx.role,
        "member": ctx.member,
        "attempt": ctx.attempt,
        "message": message_json(ctx.message),
        "params": ctx.params,
        "outputs": dict(ctx.outputs),
        **of_item,
        "idempotency_key": ctx.idempotency_key,
        "fencing_token": ctx.fencing_token,
        "deadline": ctx.deadline.isoformat(),
        "previous_failure": failure
        and {"reason": failure.reason, "error_class": failure.error_class, "detail": failure.detail},
    }


def request_bytes(ctx: StepContext) -> bytes:
    """The same as JSON text in UTF-8."""
    return json_text(request_of(ctx)).encode()


def message_json(message: Message) -> Any:
    """A message as JSON: its text, or its blocks."""
    return message if isinstance(message, str) else [block.model_dump(mode="json") for block in message]


def message_text(message: Message) -> str:
    """The text of a message: that of its blocks that are no media, with a blank line between them."""
    if isinstance(message, str):
        return message
    return "\n\n".join(text_of_block(block) for block in message if not isinstance(block, Media))
