"""Steps in Python that wait for a signal: `wait_for`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob import Mob, MobDefinition, MobRunStatus, MobStorage, loop, step, wait_for
from redis_mob.codec.definitions import encode_definition
from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.flows import eq, not_
from redis_mob.models.flow_spec import OnTimeout, WaitSpec


class Approval(BaseModel):
    by: str
    ok: bool


class Answer(BaseModel):
    payload: Approval | None


OK = eq("steps.approved.payload.ok", True)


def releases() -> Mob:
    mob = Mob("releases")

    @mob.handler
    async def build(version: str) -> str:
        return f"version {version}"

    @mob.handler
    async def publish(build: str, approved: Answer) -> str:
        assert approved.payload is not None
        return f"{build}, says {approved.payload.by}"

    @mob.handler
    async def withdraw(build: str, approved: Answer) -> str:
        return f"no {build}"

    return mob


def workers() -> Mob:
    """A mob with a role that has no handler."""
    mob = Mob("m")
    mob.role("worker")
    return mob


def release(mob: Mob, **more: Any) -> None:
    branches = [
        step(name, after="approved", when=when, branch="decision")
        for name, when in (("publish", OK), ("withdraw", not_(OK)))
    ]
    mob.flow("release", [step("build"), wait_for("approved", after="build", schema=Approval, **more), *branches])


TOML = """
[mob]
id = "m"

[profiles]
builder = { model = "none" }

[flows.f.steps.build]
role = "builder"
message = ""
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.f.steps.approval]
depends_on = ["build"]
message = "Release {{ params.version }}?"

[flows.f.steps.approval.wait_for]
signal = "approved"
timeout_ms = 3600000
on_timeout = "fail"
schema = '{"type":"object"}'
"""


def test_a_step_that_waits_is_the_same_definition_as_that_in_toml_and_has_the_same_digest() -> None:
    mob, written = Mob("m"), MobDefinition.from_toml(TOML)
    mob.role("builder")
    waits = wait_for(
        "approved",
        "Release {{ params.version }}?",
        id="approval",
        after="build",
        timeout=timedelta(hours=1),
        on_timeout="fail",
        schema={"type": "object"},
    )
    mob.flow("f", [step("build", role="builder"), waits])
    assert mob.definition() == written
    assert encode_definition(mob.definition()) == encode_definition(written)
    assert MobDefinition.from_toml(mob.to_toml()) == written


def test_it_is_named_as_its_signal_and_waits_as_long_as_its_flow_may_take() -> None:
    mob = workers()
    spec = mob.flow("f", [wait_for("approved")]).spec.steps["approved"]
    assert spec.wait_for == WaitSpec(signal="approved", timeout_ms=None, on_timeout=OnTimeout.CONTINUE)
    assert (spec.role, spec.message, spec.expected_schema_ref) == ("", "", None)


@pytest.mark.parametrize(
    ("ok", "ran", "output"), [(True, "publish", "version 1, says anna"), (False, "withdraw", "no version 1")]
)
async def test_a_signal_decides_which_branch_runs_and_handlers_get_its_payload(
    storage: MobStorage, ok: bool, ran: str, output: str
) -> None:
    mob = releases()
    release(mob)
    fleet = mob.fleet(storage)
    async with fleet.working():
        run_id = await fleet.start("release", {"version": "1"})
        with pytest.raises(ValidationError, match="payload of signal 'approved' is refused"):
            await fleet.signal(run_id, "approved", {"by": "anna"})
        await fleet.signal(run_id, "approved", {"by": "anna", "ok": ok})
        run = await fleet.wait(run_id)
    assert run.output(ran) == output
    assert run.output("approved", Answer) == Answer(payload=Approval(by="anna", ok=ok))


async def test_after_its_time_it_goes_on_without_a_payload_or_fails(storage: MobStorage) -> None:
    mob = releases()
    release(mob, timeout=0.001)
    assert (await mob.run("release", {"version": "1"}, storage=storage)).output("withdraw") == "no version 1"
    mob.flow("strict", [wait_for("approved", timeout=0.001, on_timeout="fail")])
    fleet = mob.fleet(storage)
    async with fleet.working():
        run = await fleet.wait(await fleet.start("strict"))
    assert run.status is MobRunStatus.FAILED


async def test_each_round_of_a_loop_takes_one_signal(storage: MobStorage) -> None:
    mob = workers()
    body = [wait_for("word", id="said", schema=str)]
    mob.flow("f", [loop("l", body, until=eq("steps.said.payload", "stop"), max_iterations=5)])
    fleet = mob.fleet(storage)
    async with fleet.working():
        run_id = await fleet.start("f")
        for word in ("a", "b", "stop"):
            await fleet.signal(run_id, "word", word)
        run = await fleet.wait(run_id)
    assert [one["said"]["payload"] for one in run.loop_iteration_outputs["l"]] == ["a", "b", "stop"]


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "timeout": (lambda: wait_for("a", timeout=0), "step 'a': timeout must be more than 0 seconds, not 0"),
    "schema": (lambda: wait_for("a", schema=Callable), "step 'a': there is no JSON schema of"),
    "on_timeout": (lambda: wait_for("a", on_timeout="end"), "flow 'f': steps.a.wait_for.on_timeout: "),  # pyright: ignore
    "name": (lambda: wait_for("", id="a"), "a signal needs a name of 1 to 256 bytes, not ''"),
    "after": (lambda: wait_for("a", after="b"), "step 'a' comes after 'b', of which there is none"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_told_when_it_is_written(name: str) -> None:
    make, problem = WRONG[name]
    with pytest.raises(DefinitionError) as caught:
        workers().flow("f", [make()])
    assert problem in str(caught.value)
    with pytest.raises(ValidationError, match="signal"):
        wait_for(None)  # pyright: ignore[reportArgumentType]
