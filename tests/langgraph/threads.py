"""Checkpoints and configs for the tests of the checkpointer, and what a namespace holds of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, empty_checkpoint

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys


def config(thread: str = "thread", namespace: str = "", checkpoint_id: str | None = None) -> RunnableConfig:
    """The config that names a thread, or a checkpoint of it."""
    named = {"thread_id": thread, "checkpoint_ns": namespace}
    return {"configurable": named if checkpoint_id is None else {**named, "checkpoint_id": checkpoint_id}}


def checkpoint(values: dict[str, Any], versions: dict[str, str], checkpoint_id: str | None = None) -> Checkpoint:
    """A checkpoint with these values of channels."""
    made = empty_checkpoint()
    made["channel_values"], made["channel_versions"] = values, {**versions}
    if checkpoint_id is not None:
        made["id"] = checkpoint_id
    return made


def metadata(step: int = 0, **more: Any) -> CheckpointMetadata:
    """The metadata of a checkpoint of a step."""
    made: Any = {"source": "loop", "step": step, "parents": {}, **more}
    return made


async def grow(
    saver: BaseCheckpointSaver[str], number: int, thread: str = "thread", start: RunnableConfig | None = None
) -> list[RunnableConfig]:
    """Put checkpoints one behind the other: `a` has a new value in each of them, `b` in the first one alone."""
    at, made = start or config(thread), list[RunnableConfig]()
    for step in range(number):
        versions = {"a": str(step), "b": "0"}
        new: Any = versions if step == 0 else {"a": str(step)}
        at = await saver.aput(at, checkpoint({"a": step, "b": "b" * 100}, versions), metadata(step), new)
        await saver.aput_writes(at, [("a", step), ("b", None)], f"task-{step}")
        made.append(at)
    return made


async def keys_there(connection: Client, keys: Keys) -> set[str]:
    """The names of the keys of LangGraph that a namespace has."""
    found: list[bytes] = await connection.router.request("KEYS", keys.pattern)
    return {name.decode() for name in found if b"langgraph:" in name}


async def commands_of(connection: Client, call: Callable[[], Awaitable[object]]) -> Counter[str]:
    """How often the server has run each command for a call, once its scripts are loaded."""
    await call()
    await connection.router.request("CONFIG", "RESETSTAT")
    await call()
    info: bytes = await connection.router.request("INFO", "commandstats")
    lines = [line.removeprefix("cmdstat_") for line in info.decode().splitlines() if line.startswith("cmdstat_")]
    return Counter({line.partition(":")[0]: int(line.split("calls=")[1].split(",")[0]) for line in lines})
