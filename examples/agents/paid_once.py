"""A research agent whose workers are killed five times, and which pays each question once."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from datetime import timedelta
from tempfile import TemporaryDirectory

import openai

from examples.agents.model_server import Message, model_server, text
from redis_mob import Mob, MobStorage, StepContext, step

TOPICS = ["tides", "winds", "clouds", "snow", "rain", "fog"]
QUESTIONS = 3
KILLED_AT = range(2, 20, 4)
"""The requests at which the worker dies that makes them: in five of the topics one each."""

LEASE = timedelta(seconds=1)
"""How long the others wait for a worker that is dead."""

mob = Mob("researchers")


async def ask(question: str) -> str:
    """What the model says."""
    async with openai.AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": question}]
        )
    return answer.choices[0].message.content or ""


@mob.handler
async def research(ctx: StepContext) -> str:
    """Ask one question after the other; what was answered in an earlier attempt is not asked again."""
    notes = [await ctx.once("ask", ask, f"{ctx.item}, question {number + 1}") for number in range(QUESTIONS)]
    return f"{len(notes)} notes on {ctx.item}"


flow = mob.flow("research", [step("research", for_each="params.topics", max_parallel=1)])


def killing(worker: Callable[[], int]) -> Callable[[list[Message]], Message]:
    """A model that answers, but for some requests, at which it kills the worker that has this process id."""
    asked = 0

    def answer(messages: list[Message]) -> Message:
        nonlocal asked
        asked += 1
        if asked in KILLED_AT:
            os.kill(worker(), signal.SIGKILL)
            raise ConnectionError("the worker is dead")
        return text(f"a note on {messages[-1]['content']}")

    return answer


async def work(url: str) -> None:
    """Be a worker, until this process is killed, or told to end."""
    async with MobStorage.open(url, namespace="paid-once") as storage:
        await mob.fleet(storage, lease=LEASE).work()


async def main(url: str) -> None:
    """Start a run, and a new worker each time that one was killed."""
    workers: list[asyncio.subprocess.Process] = []
    async with MobStorage.open(url, namespace="paid-once") as storage:
        with model_server(killing(lambda: workers[-1].pid)) as model:
            fleet = mob.fleet(storage)
            ended = asyncio.create_task(fleet.wait(await fleet.start(flow, {"topics": TOPICS})))
            while not ended.done():
                workers.append(await worker(url, model.url))
                await asyncio.wait({ended, asyncio.ensure_future(workers[-1].wait())}, return_when=FIRST_COMPLETED)
            workers[-1].terminate()
            await workers[-1].wait()
    killed = [one for one in workers if one.returncode == -signal.SIGKILL]
    print(*(await ended).output("research", list[str]), sep="\n")
    needed = QUESTIONS * len(TOPICS)
    print(f"{len(killed)} workers were killed; {needed} answers were needed, {len(model.paid)} were paid")


async def worker(url: str, model_url: str) -> asyncio.subprocess.Process:
    """A worker in a process of its own."""
    command = [sys.executable, "-m", "examples.agents.paid_once", "--url", url, "--work"]
    return await asyncio.create_subprocess_exec(*command, env={**os.environ, "MODEL_URL": model_url})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.agents.paid_once", description=__doc__)
    parser.add_argument("--url", help="the server (default: one of its own, for the time of the program)")
    parser.add_argument("--work", action="store_true", help="be a worker; the program starts its own")
    given = parser.parse_args()
    logging.getLogger("redis_mob").setLevel(logging.ERROR)  # that no worker is there for a moment is no news here
    if given.work:
        asyncio.run(work(given.url))
    else:
        with TemporaryDirectory() as state:
            asyncio.run(main(given.url or f"embedded:{state}"))
