"""A tenant that runs out of its budget, and goes on with a greater one; others are not held up."""

from __future__ import annotations

import asyncio
import os

from examples.agents.model_server import Message, model_server, text
from redis_mob import Fleet, FleetAdmin, MobDefinition, MobStorage
from redis_mob.handlers import chat

DEFINITION = MobDefinition.from_toml("""
[mob]
id = "letters"

[profiles]
writer = { model = "scripted" }

[budgets.tenant]
key = "{{ params.tenant }}"
max_tokens = 900

[flows.letters.steps.write]
role = "writer"
message = "{{ item }}"
for_each = "params.letters"
max_parallel = 1
""")


def answer(messages: list[Message]) -> Message:
    """A letter, for 300 tokens."""
    return text(f"Dear {messages[-1]['content']}")


async def main() -> None:
    with model_server(answer) as server:
        os.environ |= {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none"}
        async with MobStorage.open("embedded:", namespace="budgets") as storage:
            fleet, admin = Fleet(storage, DEFINITION, {"writer": chat()}), FleetAdmin(storage)
            names = ["Ann", "Ben", "Cem", "Dora", "Eve"]
            large = await fleet.start("letters", {"tenant": "large", "letters": names})
            small = await fleet.start("letters", {"tenant": "small", "letters": names[:2]})
            await fleet.work(until_idle=True)
            for run_id in (large, small):
                run = await admin.describe(run_id)
                print(run.status, *(pause.reason for pause in run.pauses))
            await admin.set_budget(large, name="tenant", max_tokens=2000)
            await fleet.work(until_idle=True)
            print((await fleet.wait(large)).status, len(server.paid), "letters were paid")


if __name__ == "__main__":
    asyncio.run(main())
