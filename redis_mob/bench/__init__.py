"""A benchmark of this library, of a server, and of what others write.

A scenario is a class of a few lines, and a group says what it is compared with:

    class Increment(Scenario):
        name = "increment"
        operation = "a number in my store grows by one"

        async def set_up(self, target: Target) -> None:
            self.store = await MyStore.connect(target.url, prefix=target.key("store"))

        async def operate(self, agent: int) -> None:
            await self.store.increment()

        async def clean_up(self) -> None:
            await self.store.close()

    report = await measure("redis://localhost", [Group("mine", "my store", [Increment()], [NothingRedisPy()])])
    print(to_text(report))

`suite` gives the groups that `redis-mob bench` measures.
"""

from redis_mob.bench.baselines.scripts import NothingRedisPy
from redis_mob.bench.check import Loss, losses
from redis_mob.bench.output import to_markdown, to_text, write_plots
from redis_mob.bench.results import GroupReport, Report, Result, read_report
from redis_mob.bench.runner import measure
from redis_mob.bench.scenario import Group, Scenario, Taken
from redis_mob.bench.suite import Sizes, chosen, suite
from redis_mob.bench.target import LeftOutError, Target

__all__ = [
    "Group",
    "GroupReport",
    "LeftOutError",
    "Loss",
    "NothingRedisPy",
    "Report",
    "Result",
    "Scenario",
    "Sizes",
    "Taken",
    "Target",
    "chosen",
    "losses",
    "measure",
    "read_report",
    "suite",
    "to_markdown",
    "to_text",
    "write_plots",
]
