"""Look at every Python file of a folder, each by itself, and print a summary."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from examples.source_tree.flow import Summary, mob, source_tree
from redis_mob import MobStorage, RunFailedError

THIS_PROJECT = Path(__file__).parents[2] / "redis_mob"


def told(summary: Summary) -> str:
    """The summary as text."""
    share = summary.undocumented / (summary.functions or 1)
    return "\n".join(
        [
            f"{summary.files} files, {summary.lines} lines, {summary.functions} functions",
            f"{share:.0%} of the functions have no docstring",
            *(f"long: {one}" for one in summary.longest),
            *(f"problem: {one}" for one in summary.problems),
        ]
    )


async def main(url: str | None, path: str, *, work: bool) -> None:
    """Inspect a folder with the server at `url`, or be one more worker there."""
    async with MobStorage.open(url, namespace="source-tree") as storage:
        if work:
            await mob.fleet(storage).work()
        else:
            run = await mob.run(source_tree, {"path": path}, storage=storage)
            print(told(run.output("summary", Summary)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.source_tree", description=__doc__)
    parser.add_argument("path", nargs="?", default=str(THIS_PROJECT))
    parser.add_argument("--url", help="where runs are kept: else REDIS_MOB_URL, or a private server")
    parser.add_argument("--work", action="store_true", help="do the steps of runs that others start, until Ctrl-C")
    given = parser.parse_args()
    try:
        asyncio.run(main(given.url, given.path, work=given.work))
    except RunFailedError as error:
        sys.exit(str(error))
