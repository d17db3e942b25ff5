"""Research a topic with a fleet: see its tokens as they come, and approve the report before it is published."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from contextlib import ExitStack

from examples.research.fake_model import fake_model
from examples.research.flow import mob
from redis_mob import Fleet, MobStorage, StreamChunk, StreamEnd


async def research(fleet: Fleet, topic: str, *, approve: bool) -> str:
    """Start a run, show it, let it be approved, and return what it gave."""
    run_id = await fleet.start("research", {"topic": topic})
    print(f"run {run_id}: {topic}")
    deciding: asyncio.Task[None] | None = None
    async with asyncio.TaskGroup() as tasks, fleet.watch(run_id) as progress:
        async for entry in progress:
            match entry:
                case StreamChunk(step_id="plan" | "draft"):  # those that run alone: tokens of several would mix
                    print(entry.value, end="", flush=True)
                case StreamEnd():
                    print(f"\n--- {entry.step_id}[{entry.member}] {'is done' if entry.succeeded else 'has failed'}")
                    if entry.step_id == "draft" and entry.succeeded and deciding is None:
                        deciding = tasks.create_task(decide(fleet, run_id, approve=approve))
                case _:
                    pass
        if deciding is not None:
            deciding.cancel()  # the run is over: another process has decided, or its time is over
    run = await fleet.wait(run_id)
    return run.output("publish" if "publish" in run.root_step_outputs else "shelve", str)


async def decide(fleet: Fleet, run_id: str, *, approve: bool) -> None:
    """Send what the person at the terminal says. Without an answer the run waits until its time is over."""
    said = "yes" if approve else await asked("Publish it? yes, or no and why: ")
    answer, _, why = said.partition(" ")
    if answer:
        decision = {"approved": answer in ("y", "yes"), "by": os.environ.get("USER", "a person"), "why": why}
        await fleet.signal(run_id, "approval", decision, idempotency_key="terminal")


async def asked(question: str) -> str:
    """A line of standard input. It is read in a daemon thread, which does not keep the program from ending."""
    loop, line = asyncio.get_running_loop(), asyncio.Future[str]()

    def read() -> None:
        text = sys.stdin.readline().strip()
        loop.call_soon_threadsafe(lambda: line.done() or line.set_result(text))

    print(question, end="", flush=True)
    threading.Thread(target=read, daemon=True).start()
    return await line


async def main(url: str | None, topic: str, *, approve: bool, work: bool) -> None:
    async with MobStorage.open(url, namespace="research") as storage:
        fleet = mob.fleet(storage)
        if work:
            await fleet.work(concurrency=64)
        else:
            async with fleet.working():
                print(await research(fleet, topic, approve=approve))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.research", description=__doc__)
    parser.add_argument("topic", nargs="?", default="the lease of a worker that is lost")
    parser.add_argument("--url", help="where runs are kept: else REDIS_MOB_URL, or a private server")
    parser.add_argument("--base-url", help="an endpoint that speaks OpenAI's protocol: else OPENAI_BASE_URL, or a fake")
    parser.add_argument("--yes", action="store_true", help="approve without asking")
    parser.add_argument("--work", action="store_true", help="do the steps of runs that others start, until Ctrl-C")
    given = parser.parse_args()
    with ExitStack() as stack:
        if given.base_url is not None:
            os.environ["OPENAI_BASE_URL"] = given.base_url
        elif not {"OPENAI_BASE_URL", "OPENAI_API_KEY"} & os.environ.keys():
            os.environ |= {"OPENAI_BASE_URL": stack.enter_context(fake_model()), "OPENAI_API_KEY": "none"}
        asyncio.run(main(given.url, given.topic, approve=given.yes, work=given.work))
