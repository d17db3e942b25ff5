"""What a config of LangGraph names: a thread, a namespace of it, and a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig

from redis_mob.codec.arguments import valid_text
from redis_mob.codec.counted_texts import counted
from redis_mob.errors import ValidationError
from redis_mob.langgraph import thread_records as records


def utf8(name: str, value: object) -> bytes:
    """A text of a user as bytes. Raises ValidationError for what is none, and for one that is no UTF-8."""
    return valid_text(name, value).encode()


@dataclass(frozen=True, slots=True)
class Address:
    """A thread, and of it a namespace and a checkpoint where they are named; all as UTF-8."""

    thread: bytes
    namespace: bytes | None = None
    checkpoint_id: bytes | None = None

    @classmethod
    def of(cls, config: RunnableConfig) -> Address:
        """What a config names. Raises ValidationError for one without a thread, and for names that are no texts."""
        named = config.get("configurable") or {}
        if not named.get("thread_id"):
            raise ValidationError(
                'config names no thread_id: call with {"configurable": {"thread_id": ...}} to keep checkpoints'
            )
        thread, namespace = named["thread_id"], named.get("checkpoint_ns")
        return cls(
            utf8("thread_id", str(thread) if isinstance(thread, int) else thread),
            None if namespace is None else utf8("checkpoint_ns", namespace),
            cls.id_in(config),
        )

    @staticmethod
    def id_in(config: RunnableConfig) -> bytes | None:
        """The id of the checkpoint that a config names, if it names one. Raises ValidationError."""
        checkpoint_id = (config.get("configurable") or {}).get("checkpoint_id")
        return utf8("checkpoint_id", checkpoint_id) if checkpoint_id else None

    @property
    def place(self) -> bytes:
        """Where its checkpoint stands; without a namespace in the one without a name."""
        return records.place_of(self.namespace or b"", self.checkpoint_id or b"")

    def config(self, namespace: str, checkpoint_id: str) -> RunnableConfig:
        """The config of a checkpoint of this thread."""
        named: dict[str, Any] = {
            "thread_id": self.thread.decode(),
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
        return {"configurable": named}

    def lower_bound(self) -> bytes:
        """The first place that can be meant, as ZRANGE BYLEX takes it."""
        if self.namespace is None:
            return b"[c"
        return b"[c" + (self.place if self.checkpoint_id is not None else counted(self.namespace))

    def upper_bound(self, before: bytes | None) -> bytes:
        """The last place that can be meant, before an id where one is given."""
        if self.namespace is None:
            return b"(d"
        if self.checkpoint_id is not None:
            return b"[c" + self.place
        prefix = b"(c" + counted(self.namespace)
        return prefix + (b"\xff" if before is None else before)

    def takes(self, place: bytes, before: bytes | None) -> bool:
        """Whether the checkpoint at a place is meant, which lies between the bounds."""
        checkpoint_id = records.namespace_and_id(place)[1].encode()
        wanted = self.checkpoint_id is None or checkpoint_id == self.checkpoint_id
        return wanted and (before is None or checkpoint_id < before)
