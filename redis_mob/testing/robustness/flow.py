"""The flow of the traffic of fleets, its handlers, and a worker process that executes it.

    python -m redis_mob.testing.robustness.flow URL NAMESPACE DURABILITY LEASE EFFECTS [SABOTEUR]

Each handler writes a line about its effect to a file that all workers share, and puts out the fencing token under which
it was called. A worker works until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from redis_mob.testing.robustness.sabotage import plant

if TYPE_CHECKING:
    from redis_mob.fleet.fleet import Fleet
    from redis_mob.fleet.step_context import StepContext
    from redis_mob.storage import MobStorage

MEMBERS = 3
"""Members of the role that votes, of which one fails for good."""

QUORUM = 2

FLOW = "work"

_AFTER = {"plan": [], "vote": ["plan"], "flaky": ["plan"], "report": ["vote", "flaky"]}
"""After which steps each step comes."""

_SPECS = {
    "plan": 'role = "planner"\ndispatch_mode = "one_to_one"',
    "vote": f'role = "voter"\ndispatch_mode = "fan_out"\ncollection_policy = {{ type = "quorum", n = {QUORUM} }}',
    "flaky": 'role = "planner"\ndispatch_mode = "one_to_one"\nretry = { attempts = 2, first = 0.01, most = 0.02 }',
    "report": 'role = "planner"\ndispatch_mode = "one_to_one"',
}


def _definition() -> str:
    """The definition of the mob, as TOML."""
    profile = '{ model = "none", peer_description = "Works" }'
    lines = ['[mob]\nid = "robustness"', f"[profiles]\nplanner = {profile}\nvoter = {profile}"]
    lines += [f'[flows.{FLOW}]\ndescription = "Work"']
    for step, after in _AFTER.items():
        lines.append(f'[flows.{FLOW}.steps.{step}]\nmessage = "Work."\n{_SPECS[step]}')
        node = f'kind = "step"\nstep_id = "{step}"\ndepends_on = {json.dumps(after)}\ndepends_on_mode = "all"'
        lines.append(f"[flows.{FLOW}.root.nodes.{step}]\n{node}")
    return "\n\n".join(lines)


STEPS = {"plan": 1, "vote": MEMBERS, "flaky": 1, "report": 1}
"""The steps of the flow, and how many members execute each."""


def fleet_of(storage: MobStorage, lease: float, effects: Path) -> Fleet:
    """A fleet whose handlers tell their effects to a file."""
    from redis_mob.fleet.fleet import Fleet
    from redis_mob.fleet.step_context import StepFailed
    from redis_mob.models.definition import MobDefinition

    random = Random()

    async def work(ctx: StepContext) -> dict[str, Any]:
        await asyncio.sleep(random.uniform(0, 0.05))
        effect = {
            "run": ctx.run_id,
            "step": ctx.step_id,
            "key": ctx.idempotency_key,
            "member": ctx.member,
            "token": ctx.fencing_token,
            "pid": os.getpid(),
            "at": time.time(),
        }
        file = os.open(effects, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, json.dumps(effect).encode() + b"\n")
        finally:
            os.close(file)
        if ctx.step_id == "vote" and ctx.member.endswith("-3"):
            raise StepFailed("never", retryable=False)
        if ctx.step_id == "flaky" and ctx.attempt == 1:
            raise ValueError("not the first time")
        # a few take as long as a lease: an owner is lost while it executes, and comes back while the next one does
        await asyncio.sleep(random.uniform(0, 0.05 if random.random() < 0.8 else 2.0))
        return {"step": ctx.step_id, "token": ctx.fencing_token}

    definition = MobDefinition.from_toml(_definition())
    handlers = {"planner": work, "voter": work}
    return Fleet(storage, definition, handlers, members={"voter": MEMBERS}, lease=timedelta(seconds=lease))


async def main(url: str, namespace: str, durability: str, lease: str, effects: str) -> None:
    """Work until the standard input ends."""
    from redis_mob.storage import MobStorage

    async with MobStorage.open(url, namespace=namespace, durability=durability) as storage:
        reader = asyncio.create_task(asyncio.to_thread(Path("/dev/stdin").read_bytes))
        async with fleet_of(storage, float(lease), Path(effects)).working():
            print("ready", flush=True)
            await reader


if __name__ == "__main__":
    logging.disable()  # of failures and interruptions, which are wanted here
    if sys.argv[6:]:
        plant(sys.argv[6])
    asyncio.run(main(*sys.argv[1:6]))
