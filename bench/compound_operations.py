"""How long each compound operation takes, against an EVALSHA that does nothing, measured in one interleaved run.

Prints a table on stderr, and one JSON object on stdout. Absolute times tell more about the machine than about the
library: compare the ratios. The cores are kept awake meanwhile, since waking a halted one costs more than a script.

    python bench/compound_operations.py [--steps 5 50] [--rounds 2000] [--url embedded:]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

from redis_mob import (
    FlowSpec,
    FlowStepSpec,
    FrameSnapshot,
    FrameSpec,
    FrameStepSpec,
    LoopIterationLedgerEntry,
    LoopSnapshot,
    MobRun,
    MobStorage,
)
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.scripts import library
from redis_mob.kernel.frame import seeded as seeded_frame
from redis_mob.kernel.loop import seeded as seeded_loop
from redis_mob.kernel.seeds import root_frame_seed
from redis_mob.models import SortedDict
from redis_mob.models.authority import LoopSeed
from redis_mob.models.base import FrozenDict
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import DependsOnMode

Operation = Callable[[], Awaitable[Any]]

NOTHING = "--- @keys frame\nreturn 1"
WARM_UP = 50


@contextmanager
def cores_awake() -> Generator[None]:
    """One idle-priority spinner per core: a halted core needs longer to wake than a script to run."""
    spin = "import os\nos.nice(19)\nwhile True: pass"
    spinners = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def flow_of(steps: int) -> FlowSpec:
    """A chain of steps, each after the one before."""
    names = [f"step-{number:05}" for number in range(steps)]
    nodes = {
        name: FrameStepSpec(step_id=name, depends_on=before, depends_on_mode=DependsOnMode.ALL)
        for name, before in zip(names, ((), *((name,) for name in names)), strict=False)
    }
    return FlowSpec(
        steps=FrozenDict({name: FlowStepSpec(role="worker", message="work") for name in names}),
        root=FrameSpec(nodes=FrozenDict(nodes)),
    )


class Bench:
    """One run of `steps` steps, whose parts swing between two states so that every operation can be repeated."""

    def __init__(self, storage: MobStorage, connection: Client, steps: int) -> None:
        self.runs = storage.runs
        self.connection = connection
        self.flow = flow_of(steps)
        self.run = MobRun.pending("bench", "flow", self.flow, {})
        self.state = self.run.flow_state
        self.middle = self.state.ordered_steps[steps // 2]
        self.frame_id = f"{self.run.run_id}-root"
        self.frame = FrameSnapshot(kernel_state=seeded_frame(root_frame_seed(self.run.run_id, self.flow.root_frame)))
        self.loop_id = "loop"
        seed = LoopSeed(
            loop_instance_id="loop",
            parent_frame_id=self.frame_id,
            parent_node_id="n",
            loop_id="l",
            depth=1,
            max_iterations=9,
        )
        self.loop = LoopSnapshot(kernel_state=seeded_loop(seed))
        self.turn = 0
        self.nothing = library().compiled("bench/nothing", NOTHING)

    async def set_up(self) -> None:
        await self.runs.create_run(
            self.run.model_copy(
                update={
                    "frames": SortedDict({self.frame_id: self.frame}),
                    "loops": SortedDict({self.loop_id: self.loop}),
                }
            )
        )

    def next_state(self) -> Any:
        self.turn += 1
        return self.state.model_copy(
            update={"active_node_count": self.turn % 2, "last_granted_frame": self.frame_id if self.turn % 2 else ""}
        )

    def next_frame(self) -> FrameSnapshot:
        frame = self.frame.kernel_state
        status = NodeStatus.PENDING if frame.node_status[self.middle] is NodeStatus.RUNNING else NodeStatus.RUNNING
        changed = frame.model_copy(update={"node_status": frame.node_status.set((self.middle, status))})
        return FrameSnapshot(kernel_state=changed)

    def next_loop(self) -> LoopSnapshot:
        loop = self.loop.kernel_state
        return LoopSnapshot(kernel_state=loop.model_copy(update={"current_iteration": loop.current_iteration + 1}))

    def keep(self, won: bool, **parts: Any) -> None:
        assert won
        for name, value in parts.items():
            setattr(self, name, value)

    async def do_nothing(self) -> None:
        await self.connection.call(self.nothing, [self.frame_id])

    async def cas_flow_state(self) -> None:
        state = self.next_state()
        self.keep(await self.runs.cas_flow_state(self.run.run_id, expected=self.state, next=state), state=state)

    async def cas_frame_state(self) -> None:
        frame = self.next_frame()
        won = await self.runs.cas_frame_state(self.run.run_id, frame_id=self.frame_id, expected=self.frame, next=frame)
        self.keep(won, frame=frame)

    async def cas_grant_node_slot(self) -> None:
        state, frame = self.next_state(), self.next_frame()
        won = await self.runs.cas_grant_node_slot(
            self.run.run_id,
            expected_run_state=self.state,
            next_run_state=state,
            frame_id=self.frame_id,
            expected_frame=self.frame,
            next_frame=frame,
        )
        self.keep(won, state=state, frame=frame)

    async def cas_complete_step_and_record_output(self) -> None:
        frame = self.next_frame()
        won = await self.runs.cas_complete_step_and_record_output(
            self.run.run_id,
            frame_id=self.frame_id,
            expected_frame=self.frame,
            next_frame=frame,
            step_output_key=self.middle,
            step_output={"answer": 42},
        )
        self.keep(won, frame=frame)

    async def cas_start_loop(self) -> None:
        state, frame = self.next_state(), self.next_frame()
        won = await self.runs.cas_start_loop(
            self.run.run_id,
            loop_instance_id=f"loop-{self.turn}",
            expected_run_state=self.state,
            next_run_state=state,
            frame_id=self.frame_id,
            expected_frame=self.frame,
            next_frame=frame,
            initial_loop=self.loop,
        )
        self.keep(won, state=state, frame=frame)

    async def cas_loop_request_body_frame(self) -> None:
        state, loop = self.next_state(), self.next_loop()
        won = await self.runs.cas_loop_request_body_frame(
            self.run.run_id,
            loop_instance_id=self.loop_id,
            expected_loop=self.loop,
            next_loop=loop,
            expected_run_state=self.state,
            next_run_state=state,
        )
        self.keep(won, state=state, loop=loop)

    async def cas_grant_body_frame_start(self) -> None:
        state, loop = self.next_state(), self.next_loop()
        frame_id = f"body-{self.turn}"
        won = await self.runs.cas_grant_body_frame_start(
            self.run.run_id,
            loop_instance_id=self.loop_id,
            expected_loop=self.loop,
            next_loop=loop,
            frame_id=frame_id,
            initial_frame=self.frame,
            ledger_entry=LoopIterationLedgerEntry(
                loop_instance_id=self.loop_id, iteration=self.turn, frame_id=frame_id
            ),
            expected_run_state=self.state,
            next_run_state=state,
        )
        self.keep(won, state=state, loop=loop)

    async def cas_complete_body_frame(self) -> None:
        await self._change_all(self.runs.cas_complete_body_frame)

    async def cas_complete_loop(self) -> None:
        await self._change_all(self.runs.cas_complete_loop)

    async def _change_all(self, operation: Callable[..., Awaitable[bool]]) -> None:
        state, frame, loop = self.next_state(), self.next_frame(), self.next_loop()
        won = await operation(
            self.run.run_id,
            loop_instance_id=self.loop_id,
            expected_loop=self.loop,
            next_loop=loop,
            frame_id=self.frame_id,
            expected_frame=self.frame,
            next_frame=frame,
            expected_run_state=self.state,
            next_run_state=state,
        )
        self.keep(won, state=state, frame=frame, loop=loop)

    def operations(self) -> dict[str, Operation]:
        """The baseline first, then the operations, in the order in which each round does them."""
        names = ["do_nothing", *(name for name in vars(type(self)) if name.startswith("cas_"))]
        return {name: getattr(self, name) for name in names}


async def measured(storage: MobStorage, connection: Client, steps: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of each operation, in rounds that do each of them once."""
    bench = Bench(storage, connection, steps)
    await bench.set_up()
    operations = bench.operations()
    times: dict[str, list[float]] = {name: [] for name in operations}
    for number in range(rounds + WARM_UP):
        for name, operation in operations.items():
            started = time.perf_counter()
            await operation()
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - started) * 1e6)
    return times


def percentiles(times: list[float]) -> tuple[float, float]:
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98]


def parse_arguments(description: str | None) -> argparse.Namespace:
    """The options of a benchmark of the compound operations."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 50])
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--url", default="embedded:")
    return parser.parse_args()


def result(name: str, steps: int, percentile: str, value: float, baseline: str, base: float) -> dict[str, Any]:
    """A figure, in microseconds, beside what it is compared with."""
    return {
        "name": name,
        "params": {"steps": steps, "percentile": percentile},
        "value": value,
        "unit": "us",
        "baseline": baseline,
        "baseline_value": base,
        "ratio": value / base,
    }


def environment(rounds: int) -> dict[str, Any]:
    """Where a run was made, and how long it was."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "rounds": rounds,
    }


async def main() -> None:
    arguments = parse_arguments(__doc__)
    results: list[dict[str, Any]] = []
    async with MobStorage.open(arguments.url, namespace=f"bench-{os.getpid()}") as storage:
        connection = await connect(storage.url)  # of its own, for the baseline's script
        for steps in arguments.steps:
            with cores_awake():
                times = await measured(storage, connection, steps, arguments.rounds)
            base50, base99 = percentiles(times["do_nothing"])
            print(f"\n{steps} steps {'p50 us':>37} {'p99 us':>9} {'p50 ratio':>10}", file=sys.stderr)
            for name, taken in times.items():
                p50, p99 = percentiles(taken)
                print(f"{name:36} {p50:12.1f} {p99:9.1f} {p50 / base50:10.2f}", file=sys.stderr)
                for percentile, value, base in (("p50", p50, base50), ("p99", p99, base99)):
                    results.append(result(name, steps, percentile, value, "do_nothing", base))
        await connection.aclose()
    print(json.dumps({"environment": environment(arguments.rounds), "results": results}))


if __name__ == "__main__":
    asyncio.run(main())
