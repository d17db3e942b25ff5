"""An agent whose tool needs the approval of a person, and which holds no worker while it waits for that."""

from __future__ import annotations

import argparse
import asyncio

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from examples.agents.model_server import Message, call, model_server, text
from redis_mob import FleetAdmin, Mob, MobStorage, step
from redis_mob.handlers import pydantic_ai

transfers: list[str] = []


def transfer(account: str, amount: int) -> str:
    """Transfer an amount to an account."""
    transfers.append(f"{amount} to {account}")
    return f"transferred {amount} to {account}"


def answer(messages: list[Message]) -> Message:
    """The model wants to transfer 500, and then says what came of it."""
    last = messages[-1]
    return text(f"Done: {last['content']}") if last["role"] == "tool" else call("transfer", account="ann", amount=500)


async def main(decision: str) -> None:
    with model_server(answer) as server:
        agent = Agent(OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=server.url, api_key="none")))
        agent.tool_plain(requires_approval=True)(transfer)
        mob = Mob("bank")
        mob.handler("clerk")(pydantic_ai(agent))
        flow = mob.flow("pay", [step("pay", "Pay the bill of Ann", role="clerk")])
        async with MobStorage.open("embedded:", namespace="approval") as storage:
            fleet, admin = mob.fleet(storage), FleetAdmin(storage)
            run_id = await fleet.start(flow)
            await fleet.work(until_idle=True)  # the worker ends: the run waits without one
            [pending] = await admin.inbox()
            print(f"{pending.ask.kind} {pending.ask.payload}?")
            match decision:
                case "yes":
                    await admin.answer(pending.ask.id, by="bob")
                case "less":
                    await admin.answer(pending.ask.id, value={"account": "ann", "amount": 50}, by="bob")
                case _:
                    await admin.answer(pending.ask.id, approved=False, message="ask me tomorrow", by="bob")
            await fleet.work(until_idle=True)
            print((await fleet.wait(run_id)).output("pay", str))
        print(f"transfers: {transfers}; the model was asked {len(server.paid)} times")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.agents.approval", description=__doc__)
    parser.add_argument("decision", nargs="?", choices=("yes", "less", "no"), default="yes")
    asyncio.run(main(parser.parse_args().decision))
