"""Changes of runs while connections are lost."""

from __future__ import annotations

import asyncio
from itertools import count

from redis_mob.contracts import MobRunStore
from redis_mob.errors import OutcomeUnknownError, WriteFailedError
from redis_mob.models import MobRun
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import given
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, read
from redis_mob.testing.samples.states import authority_input, rebuilt


class TestInterruptedChanges(RunGuarantee):
    """A change of a run whose connection is lost happens as a whole or not at all, or is reported as unknown."""

    async def test_a_cut_connection_leaves_what_was_reported(self, backend: Backend) -> None:
        for _ in range(10):
            async with backend.open() as one, backend.open() as two:
                handles = [given("runs", stores.runs) for stores in (one, two)] * 4
                made = [await created(runs) for runs in handles]
                cutting = asyncio.create_task(backend.disconnect())
                endings = await asyncio.gather(
                    *(count_up(runs, run, cutting) for runs, run in zip(handles, made, strict=True))
                )
                await cutting
            async with backend.open() as stores:
                runs = given("runs", stores.runs)
                for run, possible in zip(made, endings, strict=True):
                    stored = await read(runs, run)
                    number = stored.flow_state.failure_count
                    assert number in possible
                    assert stored == counted(run, number)


async def count_up(runs: MobRunStore, run: MobRun, cutting: asyncio.Task[None]) -> set[int]:
    """Count failures until a write fails, or one more was won after the cut; the numbers that may be stored then."""
    state = run.flow_state
    for number in count(1):
        last = cutting.done()
        following = rebuilt(state, failure_count=number)
        try:
            assert await runs.cas_flow_state(
                run.run_id, expected=state, next=following, authority_inputs=[authority_input(number)]
            )
        except OutcomeUnknownError:
            return {number - 1, number}
        except WriteFailedError:
            return {number - 1}
        if last:
            return {number}
        state = following
        await asyncio.sleep(0)
    raise AssertionError("counting has no end")


def counted(run: MobRun, number: int) -> MobRun:
    """The run after that many failures were counted."""
    inputs = (*run.flow_authority_inputs, *map(authority_input, range(1, number + 1)))
    state = rebuilt(run.flow_state, failure_count=number)
    return run.model_copy(update={"flow_state": state, "flow_authority_inputs": inputs})
