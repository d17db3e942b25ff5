"""Golden runs with random unknown fields, as a store gives them back, and compares them."""

from __future__ import annotations

import json
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.models import MobRun
from redis_mob.models.base import json_equal
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.run_guarantee import read
from redis_mob.testing.samples.unknown_fields import sprinkled
from tests.support.examples import examples
from tests.support.golden import read_jsonl
from tests.support.unknown_fields import in_one_of_four

RUNS = [line.get("run") or line["canonical"] for line in read_jsonl("wire/runs.jsonl") if "error" not in line]


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_runs_30_any_golden_run_is_read_and_compared_with_its_unknown_fields(
    storage: MobStorage, data: st.DataObject
) -> None:
    plain = MobRun.model_validate_json(json.dumps(data.draw(st.sampled_from(RUNS))))
    document = sprinkled(plain, json.loads(plain.model_dump_json()), in_one_of_four(data)) | {"run_id": str(uuid4())}
    run, runs = MobRun.model_validate_json(json.dumps(document)), storage.runs
    await runs.create_run(run)
    stored = await read(runs, run)
    assert stored == run
    assert json_equal(json.loads(stored.model_dump_json()), document)
    state = run.flow_state
    following = state.model_copy(update={"failure_count": state.failure_count ^ 1})
    other = state.model_copy(update={"one more": 1})
    inputs = run.flow_authority_inputs
    for expected, wins in ((other, False), (state, True), (state, False)):
        won = await runs.cas_flow_state(run.run_id, expected=expected, next=following, authority_inputs=inputs)
        assert won is wins
    for name, frame in run.frames.items():
        assert not await runs.cas_frame_state(
            run.run_id, frame_id=name, expected=frame.model_copy(update={"one more": 1}), next=frame
        )
        assert await runs.cas_frame_state(run.run_id, frame_id=name, expected=frame, next=frame)
    after = run.model_copy(update={"flow_state": following, "flow_authority_inputs": inputs * 2})
    assert json_equal(json.loads((await read(runs, run)).model_dump_json()), json.loads(after.model_dump_json()))
