"""Long outputs of a finished run are stored packed, each row as a reader of the run has it."""

from __future__ import annotations

from redis_mob import MobStorage, StepContext
from redis_mob.bench.scenarios.fleet import definition_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from tests.fleet.working import run_flow

TEXT = "What the step has found out is told here at some length, as models do. " * 5


async def test_an_output_that_is_set_again_leaves_the_rows_that_it_was_packed_with(
    server_url: str, connection: Client, namespace: str
) -> None:
    async def answer(_ctx: StepContext) -> str:
        return TEXT

    async with MobStorage.open(server_url, namespace=namespace) as storage:
        run = await run_flow(storage, definition_of("", 3), answer)
        stored = await connection.router.request("HVALS", Keys(namespace).run(run.run_id).step_outputs)
        assert {output[:1] for output in stored} == {b"\x01", b"\x02"}
        assert max(map(len, stored)) < len(TEXT) / 2
        steps = [str(entry.output) for entry in run.step_ledger if entry.output is not None]
        assert sorted(steps) == sorted([TEXT, str({"worker-1": TEXT})] * 3)

        await storage.runs.put_step_output(run.run_id, step_id="step-00001", output="another one")
        again = await storage.runs.get_run(run.run_id)
        assert again is not None
        *before, last = [row for row in again.step_ledger if row.step_id == "step-00001"]
        assert last.output == "another one"
        assert [row.output for row in before] == [None, TEXT]
        assert again.root_step_outputs == run.root_step_outputs
