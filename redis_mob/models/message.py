"""What a step says to its members: texts, images and videos."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from redis_mob.models.base import U64, Items, Model


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


ImageBlock: TypeAlias = Annotated[InlineImageBlock | BlobImageBlock, Field(discriminator="source")]

ContentBlock: TypeAlias = Annotated[TextBlock | ImageBlock | VideoBlock, Field(discriminator="type")]
"""One piece of a message."""


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
