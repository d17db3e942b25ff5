"""The messages of a request to a chat model, made from a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.instructions import instructions_of
from redis_mob.models.message import ContentBlock, InlineImageBlock, Media, text_of_block

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam


async def messages_of(ctx: StepContext, system: str | None) -> list[ChatCompletionMessageParam]:
    """What the model is asked: instructions and skills, and the message of the step.

    Raises StepFailed, after which there is no further attempt, for a block that the protocol has no form for.
    """
    messages: list[ChatCompletionMessageParam] = []
    if instructions := await instructions_of(ctx, system):
        messages.append({"role": "system", "content": instructions})
    content = ctx.message if isinstance(ctx.message, str) else [_part(block) for block in ctx.message]
    messages.append({"role": "user", "content": content})
    return messages


def _part(block: ContentBlock) -> ChatCompletionContentPartParam:
    if not isinstance(block, Media):
        return {"type": "text", "text": text_of_block(block)}
    if isinstance(block, InlineImageBlock):
        return {"type": "image_url", "image_url": {"url": f"data:{block.media_type};base64,{block.data}"}}
    raise StepFailed(
        f"a chat model takes texts and inline images, no {block.type} whose source is {block.source}", retryable=False
    )
