"""One worker as a process of its own: it works until its standard input ends, and may have one isolated handler.

Its handlers write a line about each of their effects to a file that all workers share, so that a test can count them.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import logging
import os
import random
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis_mob import StepContext, StepFailed, isolated
from redis_mob.fleet import failure_log
from redis_mob.fleet.duties import duties_of
from redis_mob.fleet.handler_stores import handler_stores
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.worker import Worker
from redis_mob.storage import MobStorage
from tests.fleet import isolated_handlers


def write_effect(ctx: StepContext) -> None:
    """The effect of a handler on the world: a line, whole or not at all."""
    effect = {
        "run": ctx.run_id,
        "step": ctx.step_id,
        "key": ctx.idempotency_key,
        "token": ctx.fencing_token,
        "attempt": ctx.attempt,
        "pid": os.getpid(),
        "at": time.time(),
    }
    file = os.open(ctx.params["effects"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(effect).encode() + b"\n")
    finally:
        os.close(file)


async def work(ctx: StepContext) -> dict[str, Any]:
    """Takes a moment, and gives the same output in every worker; some members and attempts fail."""
    await asyncio.sleep(random.uniform(0, 0.03))
    write_effect(ctx)
    if ctx.step_id == "left" or (ctx.step_id == "vote" and ctx.member == "worker-3"):
        raise StepFailed("never", retryable=False)
    if ctx.step_id == "flaky" and ctx.attempt == 1:
        raise ValueError("not the first time")
    return {"step": ctx.step_id, "round": ctx.iteration}


async def die_at_first(ctx: StepContext) -> str:
    """Kills its worker, but only in the first attempt."""
    write_effect(ctx)
    if ctx.fencing_token == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"owner {ctx.fencing_token}"


async def die_while_told(ctx: StepContext) -> str:
    """Each step fails for good. The supervisor kills its worker when it is told at first."""
    write_effect(ctx)
    if ctx.escalation is None:
        raise StepFailed("broken", retryable=False)
    if ctx.fencing_token == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"owner {ctx.fencing_token}"


async def die(ctx: StepContext) -> None:
    """Takes its worker along every time."""
    write_effect(ctx)
    os.kill(os.getpid(), signal.SIGKILL)


async def be_paused(ctx: StepContext) -> str:
    """The first owner of step a is stopped where it stands, and returns as soon as it goes on."""
    write_effect(ctx)
    if ctx.step_id == "a" and ctx.fencing_token == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return f"owner {ctx.fencing_token}"


def hold_interpreter(ctx: StepContext) -> str:
    """The first owner of step a holds the interpreter for so long that it gets no lease renewed by a thread."""
    write_effect(ctx)
    if ctx.step_id == "a" and ctx.fencing_token == 1:
        ctypes.PyDLL(None).poll(None, 0, int(ctx.params["milliseconds"]))  # does not let go of it, as CDLL does
    return f"owner {ctx.fencing_token}"


async def call_once(ctx: StepContext) -> list[int]:
    """Calls a server so many times, which is to happen once each: what a model costs."""

    async def ask(number: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", ctx.params["port"])
        writer.write(json.dumps([ctx.run_id, number]).encode() + b"\n")
        answer = await reader.readline()
        writer.close()
        return int(answer)

    return [await ctx.once("ask", ask, number) for number in range(ctx.params["calls"])]


async def use_tokens(ctx: StepContext) -> int:
    """Calls an endpoint for which so many tokens were estimated, and tells how many it has used."""
    async with ctx.spend(tokens=ctx.item) as call:
        reader, writer = await asyncio.open_connection("127.0.0.1", ctx.params["port"])
        writer.write(json.dumps(ctx.item).encode() + b"\n")
        used = int(await reader.readline())
        writer.close()
        call.used(input_tokens=used // 2, output_tokens=used - used // 2)
    return used


ASIDE = 2000
"""Tokens that a call puts aside: the most that it uses."""


async def ask_within_budget(ctx: StepContext) -> None:
    """Asks a model without end, which says how many tokens each answer takes."""

    async def ask(number: int) -> int:
        async with ctx.spend(tokens=ASIDE) as call:
            reader, writer = await asyncio.open_connection("127.0.0.1", ctx.params["port"])
            writer.write(json.dumps([ctx.run_id, number]).encode() + b"\n")
            tokens = int(await reader.readline())
            writer.close()
            call.used(input_tokens=tokens)
            return tokens

    for number in itertools.count():
        await ctx.once("ask", ask, number)


HANDLERS: dict[str, Handler] = {
    "ask_within_budget": ask_within_budget,
    "use_tokens": use_tokens,
    "call_once": call_once,
    "work": work,
    "die_at_first": die_at_first,
    "die_while_told": die_while_told,
    "die": die,
    "be_paused": be_paused,
    "hold_interpreter": hold_interpreter,
}


def handler(ctx: StepContext) -> Any:
    """Does what the parameters of the run name."""
    return HANDLERS[ctx.params["handler"]](ctx)


async def main(url: str, namespace: str, lease: float, concurrency: int, isolated_handler: str | None = None) -> None:
    logging.getLogger(failure_log.__name__).setLevel(logging.ERROR)  # the failures of these handlers are wanted
    stop = asyncio.Event()
    served = {"*": handler if isolated_handler is None else isolated(getattr(isolated_handlers, isolated_handler))}
    async with MobStorage.open(url, namespace=namespace) as storage:
        reader = asyncio.create_task(asyncio.to_thread(Path("/dev/stdin").read_bytes))
        reader.add_done_callback(lambda _reader: stop.set())
        print("ready", flush=True)
        worker = Worker(
            storage.executions,
            served,
            lease=timedelta(seconds=lease),
            concurrency=concurrency,
            duties=duties_of(storage),
            **handler_stores(storage),
        )
        await worker.run(stop)
        await reader


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:]))
