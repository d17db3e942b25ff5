"""What is measured: scenarios, the baselines that they are compared with, and the groups that are measured together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from redis_mob.bench.target import Target


@dataclass(frozen=True, slots=True)
class Taken:
    """What a call of `operate` has measured itself, where the clock of the runner would measure something else.

    `latencies` are in seconds, one for each operation that the call did. `cpu` is the CPU time that other processes
    used for it, `kept` how many bytes it has left in the memory of the server. Where all of it happened in other
    processes, `seconds` says how long it took there, and then neither the clock nor the CPU time of this process
    counts.
    """

    latencies: Sequence[float]
    cpu: float = 0.0
    seconds: float | None = None
    kept: float = 0.0


class Scenario:
    """One operation, repeated. Derive from it, give it a name, and override `operate`; the rest is optional.

    `name` and `size` tell it apart from the others of its group. `operation` says what one operation is, `unit` what
    the size counts. `agents` is how many calls of `operate` are under way at once. Where a call does several
    operations, as a batch does, `units` says how many: what is told of a call is divided by them. `most_calls` bounds
    what each agent does in one turn, where operations leave something behind that must not become much.
    """

    name: str = ""
    operation: str = ""
    unit: str = ""
    agents: int = 1
    units: int = 1
    most_calls: int = 100_000

    def __init__(self, size: int = 0) -> None:
        self.size = size

    async def set_up(self, target: Target) -> None:
        """Make all that the operations need, in a namespace that is empty. Raises LeftOutError if that cannot be."""

    async def prepare(self, count: int) -> None:
        """Make ready for so many calls of `operate`. It is not measured."""

    async def operate(self, agent: int) -> Taken | None:
        """Do it once, as the agent of this number, which counts from 0. This is measured."""
        raise NotImplementedError

    async def clean_up(self) -> None:
        """End what `set_up` began, also if it did not come to its end. The namespace is removed afterwards."""

    @property
    def key(self) -> str:
        """The name with the size, such as `get_run[50]`."""
        return f"{self.name}[{self.size}]" if self.size else self.name


@dataclass(frozen=True)
class Group:
    """Scenarios and baselines that are measured in turn, so that what disturbs one of them disturbs all.

    `by` says what ratios are made of: the median latency (`p50`), the time that an operation takes on average (`mean`),
    which is what counts where many are under way at once, or the bytes that it leaves in the server (`kept`). With
    `alternate` the scenarios take turns with every call, for the latencies; else each does many calls in its turn. The
    table compares with the first baseline.
    """

    name: str
    about: str
    scenarios: Sequence[Scenario]
    baselines: Sequence[Scenario] = ()
    by: Literal["p50", "mean", "kept"] = "p50"
    alternate: bool = False
