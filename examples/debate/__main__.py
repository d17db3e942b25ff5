"""Let a fleet debate a question, and print what was said in each round, how the judges voted, and what came of it."""

from __future__ import annotations

import argparse
import asyncio

from examples.debate.flow import Argument, Tally, Vote, debate, mob
from redis_mob import MobRun, MobStorage

QUESTION = "Should the shop be split into small services?"


def told(run: MobRun) -> str:
    """All rounds of a debate."""
    lines: list[str] = []
    for number, outputs in enumerate(run.loop_iteration_outputs["rounds"], 1):
        lines.append(f"Round {number}")
        for member, value in outputs["argue"].items():
            argument = Argument.model_validate(value)
            lines.append(f"  {member} says {argument.position}: {argument.words}")
        votes = [f"{member} {Vote.model_validate(value).verdict}" for member, value in outputs["vote"].items()]
        lines.append(f"  votes: {', '.join(votes)}")
    tally = run.output("tally", Tally)
    lines.append(f"Agreed after {tally.rounds} rounds: {tally.verdict}" if tally.agreed else "No agreement")
    return "\n".join(lines)


async def main(url: str | None, question: str, *, work: bool) -> None:
    """Run a debate on the server at `url`, or be one more worker there."""
    async with MobStorage.open(url, namespace="debate") as storage:
        if work:
            await mob.fleet(storage).work()
        else:
            print(told(await mob.run(debate, {"question": question}, storage=storage)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.debate", description=__doc__)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--url", help="where runs are kept: else REDIS_MOB_URL, or a private server")
    parser.add_argument("--work", action="store_true", help="do the steps of runs that others start, until Ctrl-C")
    given = parser.parse_args()
    asyncio.run(main(given.url, given.question, work=given.work))
