"""What a step says to its members: texts, images, videos and JSON."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from redis_mob.models.base import U64, Items, JsonValue, Model, json_text


class TextBlock(Model):
    """A piece of text; its placeholders are rendered."""

    type: Literal["text"] = "text"
    text: str


class InlineImageBlock(Model):
    """An image carried along, as base64 text."""

    type: Literal["image"] = "image"
    media_type: str
    source: Literal["inline"]
    data: str


class BlobImageBlock(Model):
    """An image kept elsewhere, by its id there."""

    type: Literal["image"] = "image"
    media_type: str
    source: Literal["blob"]
    blob_id: str


class VideoBlock(Model):
    """A video carried along, as base64 text; its length is in milliseconds."""

    type: Literal["video"] = "video"
    media_type: str
    duration_ms: U64
    source: Literal["inline"]
    data: str


class StructuredBlock(Model):
    """A piece of JSON; since meerkat 0.7. It is no template."""

    type: Literal["structured"] = "structured"
    data: JsonValue


class SkillContextBlock(Model):
    """The text of a skill that was put into a turn, and which skill that is; since meerkat 0.7. It is no template."""

    type: Literal["skill_context"] = "skill_context"
    skill_key: JsonValue
    text: str


ImageBlock: TypeAlias = Annotated[InlineImageBlock | BlobImageBlock, Field(discriminator="source")]

ContentBlock: TypeAlias = Annotated[
    TextBlock | ImageBlock | VideoBlock | StructuredBlock | SkillContextBlock, Field(discriminator="type")
]
"""One piece of a message."""

Media: TypeAlias = InlineImageBlock | BlobImageBlock | VideoBlock
"""Pieces of a message that are no text."""


def text_of_block(block: TextBlock | StructuredBlock | SkillContextBlock) -> str:
    """What a piece of a message says: that of JSON is its text with sorted keys."""
    return json_text(block.data, sort_keys=True) if isinstance(block, StructuredBlock) else block.text


def _message_tag(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    return "blocks" if isinstance(value, list | tuple) else None


Message: TypeAlias = Annotated[
    Annotated[str, Tag("text")] | Annotated[Items[ContentBlock], Tag("blocks")],
    Discriminator(
        _message_tag, custom_error_type="message_type", custom_error_message="must be a text or a list of blocks"
    ),
]
"""What a step says to its members: a text, or a list of blocks."""
