"""Run the agent for an order, or go on where a process that died has left it."""

from __future__ import annotations

import argparse
import asyncio

from pydantic_ai_harness.step_persistence import StepPersistence

from examples.pydantic_ai_durable.agent import QUESTIONS, Lookups, agent
from redis_mob import MobStorage
from redis_mob.pydantic_ai import Durable, RedisMobStepStore


async def main(url: str, order: str, dies_at: str | None) -> None:
    """Run the agent, with what it has done before under the name of the order."""
    async with MobStorage.open(url, namespace="agents") as storage:
        steps = RedisMobStepStore(storage)
        for earlier in await steps.list_runs(conversation_id=order):
            for effect in await steps.list_unresolved_tool_effects(run_id=earlier.run_id):
                print(f"an earlier process may or may not have done {effect.tool_name} ({effect.tool_call_id})")
        result = await agent.run(
            f"Find out all about {order}",
            deps=Lookups(dies_at),
            conversation_id=order,
            # the steps come last, so that they see what happens and not what was kept of it
            capabilities=[Durable(storage, order), StepPersistence[Lookups](store=steps)],
        )
        print(result.output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.pydantic_ai_durable", description=__doc__)
    parser.add_argument("order")
    parser.add_argument("--url", default="embedded:state", help="the server (default: one of its own, in ./state)")
    parser.add_argument("--die-at", choices=QUESTIONS, help="a question at which the process dies")
    given = parser.parse_args()
    asyncio.run(main(given.url, given.order, given.die_at))
