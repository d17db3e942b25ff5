"""Handlers that a process of its own imports by name; where a test must see what they do, they write it to files."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from redis_mob import StepContext, StepFailed, StepThrottled, isolated


def told(ctx: StepContext) -> dict[str, Any]:
    """All that a handler is told, as JSON."""
    return {
        "pid": os.getpid(),
        "step": ctx.step_id,
        "member": ctx.member,
        "attempt": ctx.attempt,
        "message": ctx.message if isinstance(ctx.message, str) else [block.model_dump() for block in ctx.message],
        "params": ctx.params,
        "outputs": dict(ctx.outputs),
        "loops": {name: [dict(one) for one in rounds] for name, rounds in ctx.loops.items()},
        "key": ctx.idempotency_key,
        "token": ctx.fencing_token,
        "deadline": ctx.deadline.isoformat(),
        "before": ctx.previous_failure and ctx.previous_failure.reason,
        "cancelled": ctx.cancelled.is_set(),
    }


def plain(ctx: StepContext) -> Any:
    return told(ctx)


async def coroutine(ctx: StepContext) -> Any:
    await asyncio.sleep(0)
    return told(ctx)


def gives_a_coroutine(ctx: StepContext) -> Any:
    return coroutine(ctx)


class Agent:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, ctx: StepContext) -> Any:
        return told(ctx)

    def method(self, ctx: StepContext) -> Any:
        return told(ctx)


def named(_name: str, ctx: StepContext) -> Any:
    return told(ctx)


part = partial(named, "n")


@isolated
def decorated(ctx: StepContext) -> Any:
    return told(ctx)


def count(ctx: StepContext) -> None:
    """Count the call."""
    with Path(ctx.params["calls"]).open("a") as file:
        file.write(f"{ctx.step_id} {ctx.attempt} {os.getpid()}\n")


class NotOnceMore(StepFailed):
    pass


def fail(ctx: StepContext) -> Any:
    match ctx.params["how"]:
        case "value":
            raise ValueError("boom") from KeyError("cause")
        case "step-failed":
            raise NotOnceMore("no such customer", retryable=False, detail={"id": 7})
        case "exit":
            sys.exit("no input given")
        case "interrupt":
            raise KeyboardInterrupt
        case "stop":
            raise StopIteration("empty")
        case "cancelled":
            raise asyncio.CancelledError
        case _:
            return {"a": [object()]}


async def fail_in_loop(ctx: StepContext) -> Any:
    return fail(ctx)


def die(ctx: StepContext) -> Any:
    """Ends its process in the first attempt."""
    count(ctx)
    if ctx.attempt == 1:
        how = ctx.params["how"]
        if how == "segfault":
            ctypes.string_at(0)
        elif how == "exit":
            os._exit(3)
        else:
            os.kill(os.getpid(), getattr(signal, how))
    return "survived"


def begin(ctx: StepContext) -> None:
    """Tell which group of processes this is, in one piece."""
    file = Path(ctx.params["groups"], ctx.step_id)
    file.with_suffix(".new").write_text(str(os.getpgrp()))
    file.with_suffix(".new").rename(file)


def sleep(ctx: StepContext) -> None:
    """Blocks in a child of its process, and looks at nothing."""
    begin(ctx)
    subprocess.run(["sleep", "3600"], check=False)
    while True:
        time.sleep(3600)


def hold_the_interpreter(ctx: StepContext) -> Any:
    """C code that does not let go of the interpreter for ages."""
    begin(ctx)
    return re.match(r"(a+)+$", "a" * 64 + "b")


async def block(ctx: StepContext) -> None:
    """Blocks its event loop."""
    begin(ctx)
    time.sleep(3600)  # noqa: ASYNC251 - that is what it is for


async def refuse_to_end(ctx: StepContext) -> None:
    """Ignores its cancellation."""
    begin(ctx)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def clean(ctx: StepContext) -> None:
    Path(ctx.params["cleaned"]).write_text(f"cancelled {ctx.cancelled.is_set()}")


async def clean_up(ctx: StepContext) -> None:
    """Says so when it is cancelled."""
    begin(ctx)
    try:
        await asyncio.Event().wait()
    finally:
        clean(ctx)


def look(ctx: StepContext) -> None:
    """Looks whether it is cancelled."""
    begin(ctx)
    while not ctx.cancelled.is_set():
        time.sleep(0.001)
    clean(ctx)


async def beat(ctx: StepContext) -> list[bool]:
    return await asyncio.gather(*(ctx.heartbeat() for _ in range(10)))


async def publish(ctx: StepContext) -> list[str]:
    await ctx.publish("k", [1])
    return [await refusal(ctx, key, value) for key, value in (("k", lambda: None), ("", 1))]


async def refusal(ctx: StepContext, key: str, value: Any) -> str:
    """The class of the error when this is published."""
    try:
        await ctx.publish(key, value)
    except Exception as error:  # noqa: BLE001 - the test looks at what it is
        return type(error).__name__
    return "none"


def leave_behind(ctx: StepContext) -> int:
    """Returns, and leaves a program running that would go on for an hour."""
    return subprocess.Popen(["sleep", "3600"]).pid


async def leave_a_thread(ctx: StepContext) -> str:
    """Returns, and leaves a thread that the end of its event loop would wait for."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    return "done"


def large(ctx: StepContext) -> str:
    return "x" * 900_000


def tells(ctx: StepContext) -> int:
    """Tells two chunks and a report, from its process."""
    ctx.stream("one")
    ctx.stream({"two": 2}, topic="other")
    ctx.report(1.0, "done")
    return os.getpid()


def item_of(ctx: StepContext) -> list[Any]:
    """The item of an execution, and where it stands."""
    return [ctx.item, ctx.index, ctx.items]


def profile(ctx: StepContext) -> dict[str, Any]:
    """What the definition says of the member, as JSON."""
    told = ctx.profile
    return {
        "model": told.model,
        "skills": {name: skill.model_dump() for name, skill in told.skills.items()},
        "provider_params": told.provider_params,
        "output_schema": told.output_schema,
        "memory": told.tools.memory,
        "allows": [tool for tool in ("read", "write", "search") if told.allows(tool)],
        "most": told.max_output_bytes,
    }


async def label(ctx: StepContext) -> None:
    await ctx.set_attributes({"customer": "acme", "tries": 3})
    await ctx.set_attributes({"tries": None, "paid": True})
    await ctx.set_summary("for acme")


def label_plainly(ctx: StepContext) -> None:
    ctx.set_attributes({"customer": "acme", "tries": 3})
    ctx.set_attributes({"tries": None, "paid": True})
    ctx.set_summary("for acme")


def _numbered(number: int) -> int:
    return number


def call_once(ctx: StepContext) -> Any:
    """The first attempt keeps two calls and fails; the next one finds them, and what is too long is refused."""
    if ctx.attempt == 1:
        ctx.call_once("number", _numbered, 1)
        asyncio.run(_listed_once(ctx, 2))
        raise RuntimeError("again")
    first, second = ctx.call_once("number", _numbered, 1), asyncio.run(_listed_once(ctx, 2))
    try:
        ctx.call_once("long", "x".__mul__, 2 * 1024 * 1024)
    except StepFailed as error:
        return [first, second, error.reason]
    return None


async def _listed_once(ctx: StepContext, number: int) -> list[int]:
    async def listed(number: int) -> list[int]:
        if ctx.attempt > 1:
            raise AssertionError("it is called again")
        return [number]

    return await ctx.once("list", listed, number)


async def ask(ctx: StepContext) -> Any:
    return (await ctx.ask("ok")).value


def ask_plainly(ctx: StepContext) -> Any:
    return ctx.call_ask("ok").value


async def converses(ctx: StepContext) -> Any:
    """What it pops from the history of its conversation, and what is left there."""
    await ctx.conversation.append(1, 2, 3)
    popped = await ctx.conversation.pop()
    return [popped, await ctx.conversation.history(), await ctx.conversation.history(1)]


def throttled(_ctx: StepContext) -> None:
    raise StepThrottled("429 Too Many Requests", retry_after=3600)


def use_tokens(ctx: StepContext) -> str:
    with ctx.spend(tokens=3) as call:
        call.used(input_tokens=3)
    with ctx.spend(tokens=40) as call:
        call.used(output_tokens=4)
    return "done"


def spend(ctx: StepContext) -> None:
    for _ in range(5):
        with ctx.spend(tokens=40) as call:
            call.used(input_tokens=10)


async def spend_async(ctx: StepContext) -> None:
    for _ in range(5):
        async with ctx.spend(tokens=40) as call:
            call.used(input_tokens=10)


async def spend_at_once(ctx: StepContext) -> None:
    async def call() -> None:
        async with ctx.spend(tokens=60) as spent:
            await asyncio.sleep(0)
            spent.used(input_tokens=5)

    await asyncio.gather(call(), call(), call())
