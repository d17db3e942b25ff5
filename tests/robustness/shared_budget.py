"""One budget for many agents, whose workers are killed again and again.

A run has one step for 64 members, whose handlers ask a model without end. Its budget is a million tokens. The model is
a server that says how many tokens each answer takes, and counts them. Each call puts aside more than it uses. Workers
get SIGKILL, and others take their place. When the run is paused, all of the budget is used. What the model has
counted is no more than what the account says, and exceeds the budget by no more than one call for each agent. Then the
budget is raised, and all that holds again.

    python -m tests.robustness.shared_budget [--seed 7] [--agents 64] [--tokens 1000000] [--every 1]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.budget import Account, Budget, BudgetScope
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.servers.node import HOST
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.worker_process import ASIDE
from tests.robustness.limited_keys import server
from tests.robustness.report import Report, parser, run_program

ASKING = mob({"ask": step(timeout_ms=3_600_000, policy="any")}, limits={"max_step_retries": 0})
"""An agent whose workers die all the time is given up in the end; the others go on."""

LONGEST_ANSWER = ASIDE
"""The most tokens that an answer takes: half of what a call puts aside are usual."""

ANSWER_SECONDS = 0.02


class Model:
    """A server that says how many tokens an answer takes, and counts them once it has begun to answer."""

    def __init__(self, random: Random) -> None:
        self.port = 0
        self.tokens = 0
        self.calls = 0
        self._random = random

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one call of a connection."""
        try:
            if await reader.readline():
                tokens = self._random.randint(LONGEST_ANSWER // 4, LONGEST_ANSWER)
                self.tokens += tokens
                self.calls += 1
                await asyncio.sleep(ANSWER_SECONDS)
                writer.write(b"%d\n" % tokens)
                await writer.drain()
        except ConnectionError:
            pass  # its worker was killed
        finally:
            writer.close()


@asynccontextmanager
async def model(random: Random) -> AsyncGenerator[Model]:
    """A model that answers until the block ends."""
    made = Model(random)
    listening = await asyncio.start_server(made.serve, HOST, 0, backlog=1000)
    async with listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def paused(storage: MobStorage, run_id: str) -> None:
    """Return once the run is paused, and no worker is at work on it."""
    async with storage.executions.listen(run_id) as wake_up:
        while True:
            view = await storage.executions.load(run_id)
            assert view is not None
            assert not view.run.status.is_terminal, view.run.failure_ledger
            # what a worker held that was killed stays with it until the run goes on
            alive = {worker.record.id for worker in await storage.executions.workers()}
            held = [one for one in view.executions.values() if one.lease is not None and one.lease.owner in alive]
            if view.pauses and not held:
                return
            await wake_up.wait(1.0)


async def _until_paused(hired: Crew, run_id: str, random: Random, every: float) -> int:
    """Kill workers until the run is paused; how many."""
    waiting = asyncio.ensure_future(paused(hired.storage, run_id))
    killed = await hired.kill_until(waiting, random, every)
    await waiting
    return killed


def judge(report: Report, account: Account, counted: Model, most: int, agents: int) -> None:
    """Write down what is wrong with an account of so many tokens."""
    used, reserved = account.used.tokens, account.reserved.tokens
    report.figures |= {
        f"used of {most}": used,
        f"counted by the model at {most}": counted.tokens,
        f"estimated at {most}": account.estimated.tokens,
    }
    if used + reserved < counted.tokens:
        report.broken.append(f"the model counts {counted.tokens} tokens, and the account {used}, and {reserved} aside")
    if used < most * 0.99:
        report.broken.append(f"it was paused with {most - used} of {most} tokens unused")
    if counted.tokens > most + agents * LONGEST_ANSWER:
        report.broken.append(f"the model counts {counted.tokens} tokens of {most}, and {agents} calls may exceed that")
    if used > most + agents * ASIDE:
        report.broken.append(f"the account has {used} of {most} tokens")


async def run(
    *,
    seed: int,
    agents: int = 64,
    tokens: int = 1_000_000,
    every: float = 1.0,
    workers: int = 4,
    lease: float = 0.5,
) -> Report:
    """Run the program."""
    report, random = Report("shared_budget", seed), Random(seed)
    with server() as node, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        url = f"redis://{HOST}:{node.port}"
        slots = -(-agents // workers)
        async with model(random) as counted, crew(url, Path(directory), workers, lease, slots) as hired:
            before = time.monotonic()
            fleet = Fleet(hired.storage, ASKING, {}, members={"worker": agents})
            params = {"handler": "ask_within_budget", "effects": str(hired.effects), "port": counted.port}
            run_id = await fleet.start(FLOW, params, budget=Budget(max_tokens=tokens))
            scope = BudgetScope.of_run(run_id)
            killed = 0
            for most in (tokens, tokens + tokens // 10):
                killed += await _until_paused(hired, run_id, random, every)
                judge(report, (await hired.storage.budgets.accounts([scope]))[scope], counted, most, agents)
                if most == tokens:
                    report.figures["seconds until it was paused"] = round(time.monotonic() - before, 1)
                    await FleetAdmin(hired.storage).set_budget(run_id, max_tokens=tokens + tokens // 10)
            report.figures |= {"agents": agents, "calls": counted.calls, "workers killed": killed}
            await FleetAdmin(hired.storage).terminate(run_id)
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        agents=options.agents,
        tokens=options.tokens,
        every=options.every,
        workers=options.workers,
        lease=options.lease,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--agents", type=int, default=64)
    arguments.add_argument("--tokens", type=int, default=1_000_000, help="of the budget")
    arguments.add_argument("--every", type=float, default=1.0, help="seconds between two deaths of workers")
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--lease", type=float, default=0.5, help="seconds")
    run_program(arguments.parse_args(), main)
