"""Histories of whole fleets: worker processes execute flows while a nemesis breaks what they work on, or them."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import MobStoreError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.robustness.deployment import NAMESPACE, Deployment, deployed
from redis_mob.testing.robustness.flow import FLOW, QUORUM, STEPS, fleet_of
from redis_mob.testing.robustness.nemeses import NEMESES
from redis_mob.testing.robustness.nemesis import Nemesis
from redis_mob.testing.robustness.runner import skipped
from redis_mob.testing.robustness.verdict import Setting, Verdict

CALLS_OF_A_RUN = 50
"""About how many calls one run of the flow makes: the operations of a setting divided by it are its runs."""

WORKERS = 3
LEASE = 1.5
"""Seconds after which what a worker held that is gone, or stands still, is given to another one."""

LONGEST = 60.0
"""Seconds after the last trouble, and for each hundred runs, after which a run that is not over is not going to be."""

PATIENCE = RetryPolicy(deadline=30.0, reply_timeout=1.0, connect_timeout=1.0)


class Crew:
    """The worker processes of a history."""

    def __init__(self, command: Sequence[str]) -> None:
        self.processes: list[asyncio.subprocess.Process] = []
        self._command = command

    async def hire(self) -> None:
        """Start one worker more, and return when it is at work, or has failed."""
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        self.processes.append(worker)
        assert worker.stdout is not None, "it was asked for"
        await worker.stdout.readline()

    @property
    def alive(self) -> list[asyncio.subprocess.Process]:
        """The workers that have not ended."""
        return [worker for worker in self.processes if worker.returncode is None]

    async def dismiss(self) -> None:
        """Let all workers end; those that do not within some seconds are killed."""
        for worker in self.alive:
            assert worker.stdin is not None, "it was asked for"
            worker.stdin.close()
        for worker in self.alive:
            try:
                await asyncio.wait_for(worker.wait(), 10)
            except TimeoutError:
                worker.kill()
                await worker.wait()


def _lines_of(effects: Path) -> list[str]:
    return effects.read_text().splitlines() if effects.exists() else []


@asynccontextmanager
async def _crew(deployment: Deployment, setting: Setting, effects: Path) -> AsyncGenerator[Crew]:
    module = "redis_mob.testing.robustness.flow"
    where = (deployment.url, NAMESPACE, setting.durability, str(LEASE), str(effects))
    crew = Crew([sys.executable, "-m", module, *where, *([setting.saboteur] if setting.saboteur else [])])
    try:
        await asyncio.gather(*(crew.hire() for _ in range(WORKERS)))
        deployment.crew = crew
        yield crew
        await crew.dismiss()
    finally:
        for worker in crew.alive:
            worker.kill()
            await worker.wait()


async def history(setting: Setting) -> Verdict:
    """Make one history of a fleet and judge it.

    There is none where a fleet may lose its runs: what is judged is how each run ended.
    """
    verdict, kind = Verdict(setting), NEMESES[setting.nemesis]
    verdict.skipped = skipped(setting)
    if setting.may_lose and kind.may_lose:
        verdict.skipped = "a fleet that loses its runs has nothing to be judged by"
    if verdict.skipped:
        return verdict
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as name:
        effects = Path(name, "effects")
        async with (
            deployed(setting.topology, setting.durability, needs=kind.needs) as deployment,
            MobStorage.open(
                deployment.url, namespace=NAMESPACE, durability=setting.durability, retry=PATIENCE
            ) as storage,
            _crew(deployment, setting, effects) as crew,
        ):
            nemesis = kind(deployment, Random(setting.seed))
            runs, told = await _drive(storage, effects, nemesis, crew, verdict)
        lines = _lines_of(effects)
    verdict.seconds = time.monotonic() - began
    began = time.monotonic()
    verdict.objects, verdict.events = len(runs), sum(len(of_run) for of_run in told.values())
    verdict.anomalies += judge(runs, told, [json.loads(line) for line in lines])
    verdict.judged_in = time.monotonic() - began
    return verdict


async def _drive(
    storage: MobStorage, effects: Path, nemesis: Nemesis, crew: Crew, verdict: Verdict
) -> tuple[list[MobRun], Mapping[str, list[str]]]:
    """Start the runs, break things meanwhile, and wait for all of them; the runs, and what each of them told."""
    setting, random = verdict.setting, Random(f"{verdict.setting.seed}/fleet")
    fleet, number = fleet_of(storage, LEASE, effects), max(1, setting.operations // CALLS_OF_A_RUN)
    ids: list[str] = []

    async def start_some(share: Sequence[int]) -> None:
        for one in share:
            # under a key, so that one whose outcome is unknown is started again, and not twice
            while True:
                try:
                    ids.append(await fleet.start(FLOW, idempotency_key=f"run {one}"))
                    break
                except MobStoreError:
                    await asyncio.sleep(0.05)

    starting: list[asyncio.Task[None]] = []
    try:
        for trouble in range(setting.disruptions):
            # each trouble meets runs that are under way
            starting.append(asyncio.create_task(start_some(range(trouble, number, setting.disruptions))))
            await asyncio.sleep(random.uniform(0.05, 0.4))
            await nemesis.begin()
            await asyncio.sleep(nemesis.seconds)
            ended = time.monotonic()
            await nemesis.end()
            await nemesis.heal()
            await storage.events.latest_cursor()
            verdict.recoveries.append(time.monotonic() - ended)
        until = time.monotonic() + LONGEST * (1 + number / 100)
        await asyncio.gather(*starting)
    finally:
        for one in starting:
            one.cancel()
    runs: list[MobRun] = []
    for run_id in ids:
        try:
            async with asyncio.timeout(max(0.1, until - time.monotonic())):
                runs.append(await fleet.wait(run_id))
        except TimeoutError:
            verdict.anomalies.append(f"run {run_id} is not over, long after the last trouble")
            until = min(until, time.monotonic() + 1)
    verdict.operations = number * CALLS_OF_A_RUN
    verdict.outcomes = {"runs": number, "workers": len(crew.processes)}
    told: dict[str, list[str]] = defaultdict(list)
    for event in await storage.events.replay_all():
        told[getattr(event.kind, "run_id", "")].append(
            f"{event.kind.type} {getattr(event.kind, 'step_id', '')}".strip()
        )
    return runs, told


def judge(
    runs: Sequence[MobRun], told: Mapping[str, Sequence[str]], effects: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """A sentence for each promise that a run does not keep."""
    of_run: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for effect in effects:
        of_run[effect["run"]].append(effect)
    for run in runs:
        yield from (f"run {run.run_id}: {fault}" for fault in _faults(run, told[run.run_id], of_run[run.run_id]))


def _faults(run: MobRun, told: Sequence[str], effects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if run.status is not MobRunStatus.COMPLETED:
        yield f"it is {run.status}: {[row.reason for row in run.failure_ledger]}"
        return
    times = Counter(told)
    expected = {"flow_started": 1, "flow_completed": 1, **{f"step_completed {step}": 1 for step in STEPS}}
    for event, number in expected.items():
        if times[event] != number:
            yield f"it told {event} {times[event]} times"
    if told[-1:] != ["flow_completed"]:
        yield f"it ended, and then told {told[-1:]}"
    calls = Counter((effect["key"], effect["token"]) for effect in effects)
    for (key, token), number in calls.items():
        if number > 1:
            yield f"execution {key} was executed {number} times under token {token}"
    keys = {step: {effect["key"] for effect in effects if effect["step"] == step} for step in STEPS}
    for step, members in STEPS.items():
        if not (QUORUM if step == "vote" else members) <= len(keys[step]) <= members:
            yield f"step {step} had {len(keys[step])} executions, and {members} members"
    yield from _faults_of_outputs(run, effects)


def _faults_of_outputs(run: MobRun, effects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The outputs are those of the last owners: what an earlier one reports is refused once there is another one."""
    newest: dict[tuple[str, str], int] = {}
    for effect in effects:
        place = effect["step"], effect["member"]
        newest[place] = max(newest.get(place, 0), effect["token"])
    for step in STEPS:
        stored: Any = run.root_step_outputs.get(step)
        outputs: Mapping[str, Any] = cast("Any", stored) if isinstance(stored, Mapping) else {}
        if len(outputs) < (QUORUM if step == "vote" else 1):
            yield f"step {step} is complete with {len(outputs)} outputs: {stored!r}"
        for member, one in outputs.items():
            if one.get("step") != step:
                yield f"the output of {member} of step {step} is {one!r}"
            elif one["token"] < newest.get((step, member), 0):
                yield f"the output of {member} of step {step} is that of an owner that had lost it: {one}"
