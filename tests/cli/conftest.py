"""A small project to run the command in, and a namespace for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Here

FLOWS = """
[mob]
id = "office"

[profiles]
clerk = { model = "none" }
judge = { model = "none" }

[flows.one.steps.work]
role = "clerk"
message = "Do it"
timeout_ms = 120_000

[flows.two.steps.sum]
role = "clerk"
message = "Add up"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.two.steps.check]
role = "judge"
message = "Check {{ steps.sum }}"
depends_on = ["sum"]

[flows.rounds.steps.polish]
role = "clerk"
message = "Make it better"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.rounds.root.nodes.loop]
kind = "repeat_until"
loop_id = "polishing"
depends_on = []
depends_on_mode = "all"
max_iterations = 3
until = { op = "eq", path = "steps.polish", value = 2 }

[flows.rounds.root.nodes.loop.body.nodes.polish]
kind = "step"
step_id = "polish"
depends_on = []
depends_on_mode = "all"
"""

HANDLERS = """
import asyncio
import logging
import os
import subprocess
import time
from pathlib import Path

from redis_mob import StepFailed


def answer(ctx):
    return {"member": ctx.member, "params": ctx.params}


def add(ctx):
    return sum(ctx.params["numbers"])


def check(ctx):
    return ctx.outputs["sum"] == sum(ctx.params["numbers"])


ROLES = {"clerk": add, "judge": check}
ONLY_CLERKS = {"clerk": add}


def count_rounds(ctx):
    return ctx.iteration + 1


def chatter(ctx):
    print("\\x1b[31mloud\\x1b[0m")
    print('["fatal", "no report"]')
    return 1


def warn(ctx):
    logging.getLogger("redis_mob.somewhere").warning("the disk is full")


def drone(ctx):
    raise StepFailed("the page says\\n" + "x" * 4_000_000)


def refuse(ctx):
    raise StepFailed("the forms are missing", retryable=False, detail="form 27b")


def break_down(ctx):
    raise ValueError("no more\\nink")


async def wait_for_ever(ctx):
    Path("begun").touch()
    await asyncio.sleep(3600)


async def wait_for_the_word(ctx):
    with open("begun", "a") as told:
        told.write(str(ctx.attempt))
    while not Path("word").exists():
        await asyncio.sleep(0.01)
    return ctx.attempt


async def tell(ctx):
    await ctx.report(0.25, message="a quarter\\nis done")
    for word in ["Once", " upon", "\\n", "a \\x1b[31mtime"]:
        await ctx.stream(word)
    while not Path("seen").exists():
        await asyncio.sleep(0.01)


def block_for_ever(ctx):
    subprocess.Popen(["sleep", "3600"])
    Path("begun").touch()
    time.sleep(3600)


async def leave_something_behind(ctx):
    subprocess.Popen(["sleep", "3600"])
    Path("begun").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.01)


def hang_at_first(ctx):
    if ctx.attempt > 1:
        return ctx.attempt
    subprocess.Popen(["sleep", "3600"])
    Path("draft").write_text(str(os.getpid()))
    Path("draft").rename("pid")
    time.sleep(3600)


async def ask_first(ctx):
    return (await ctx.ask("send it", "the mail")).approved


async def talk(ctx):
    await ctx.conversation.append(ctx.params)
    return len(await ctx.conversation.history())


def kill_the_worker(ctx):
    os.kill(os.getpid(), 9)


NOT_CALLABLE = 7
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with `flows.toml` and `handlers.py`."""
    (tmp_path / "flows.toml").write_text(FLOWS)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def here(tmp_path: Path, server_url: str, namespace: str) -> Here:
    """The command on the namespace of the test."""
    return Here(tmp_path, server_url, namespace)
