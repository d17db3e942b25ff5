"""Which members of a run are at work, and which text each of them streams, as front ends know them."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.models.progress import OUTPUT, ProgressReport, StreamChunk, StreamEnd, StreamReset

OfMember = ProgressReport | StreamChunk | StreamReset | StreamEnd
"""What a member of a step has told."""


class Track(NamedTuple):
    """A member at a step, in one frame."""

    frame_id: str
    node_id: str
    member: str

    @classmethod
    def of(cls, entry: OfMember) -> Track:
        """The track that an entry is of."""
        return cls(entry.frame_id, entry.node_id, entry.member)


def step_name(entry: OfMember) -> str:
    """A step and its member, in words; in a loop with the iteration, from 1."""
    iteration = "" if entry.iteration is None else f" #{entry.iteration + 1}"
    return f"{entry.step_id}[{entry.member}]{iteration}"


def text_id(entry: OfMember) -> str:
    """The id of the text that an attempt streams: a later attempt streams another text."""
    return f"{entry.frame_id}:{entry.node_id}:{entry.member}:{entry.fencing_token}"


def text_of(entry: StreamChunk) -> str | None:
    """The text of a chunk, None if it is none: it has another topic than texts have, or is another value."""
    return entry.value if entry.topic == OUTPUT and isinstance(entry.value, str) else None
