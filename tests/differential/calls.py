"""Calls of all stores on few names, such as JSON can hold: what concurrent clients do, and a model after them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import Any, TypeAlias

from redis_mob.contracts import MobRunStore
from redis_mob.models import FlowRunState, FrameSnapshot, LoopSnapshot, MobRun, MobRunStatus, NewMobEvent
from redis_mob.models.config import Delete, PutIfAbsent, PutIfRevision
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import COMPOUND, FRAME, LOOP, RUN, scene
from redis_mob.testing.samples.config_documents import at
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import completed, failed, numbered, step_failed
from redis_mob.testing.samples.states import (
    NOON,
    authority_input,
    failure_entry,
    iteration_entry,
    rebuilt,
    step_entry,
)
from tests.differential.said import outcome, said

Call: TypeAlias = list[Any]
"""What it is about, which operation, and its arguments."""


Perform: TypeAlias = (
    Callable[[MobStorage], Awaitable[Any]]
    | Callable[[MobStorage, Any], Awaitable[Any]]
    | Callable[[MobStorage, Any, Any], Awaitable[Any]]
    | Callable[[MobStorage, Any, Any, Any], Awaitable[Any]]
    | Callable[[MobStorage, Any, Any, Any, Any], Awaitable[Any]]
    | Callable[[MobStorage, Any, Any, Any, Any, Any], Awaitable[Any]]
)
"""A call of a store with up to five arguments; a type checker looks the method up in the stores of a storage."""


@dataclass(frozen=True)
class Operation:
    """What each argument is chosen from, and what is done with the stores and these arguments."""

    choices: Sequence[Sequence[Any]]
    perform: Perform


RUN_A, RUN_B, LAST_RUN = (f"0191a6a0-0000-4000-8000-00000000000{digit}" for digit in "abc")
NAMES, STEPS = "ab", ["build", "test"]
NUMBERS = range(1000)
"""Which tell the calls apart."""

FEW = range(2)
"""Versions of a state, so few that many compares are won."""

REVISIONS = [None, *range(6)]


@cache
def flow(version: int) -> FlowRunState:
    return rebuilt(RUN, failure_count=version)


@cache
def frame(version: int) -> FrameSnapshot:
    return FrameSnapshot(kernel_state=rebuilt(FRAME.kernel_state, iteration=version))


@cache
def loop(version: int) -> LoopSnapshot:
    return LoopSnapshot(kernel_state=rebuilt(LOOP.kernel_state, current_iteration=version))


def started(run_id: str, mob_id: str) -> MobRun:
    return scene(run_id=run_id, mob_id=mob_id, flow_state=flow(0))


VERSIONS = [[number >> bit & 1 for bit in range(6)] for number in range(64)]
"""Of run, frame and loop the expected version and the next one."""

STATUSES = [MobRunStatus.PENDING, MobRunStatus.RUNNING]


def of_run(run_id: str, mob_id: str) -> dict[str, Operation]:
    """The operations of one run, the only one of its mob."""
    return {
        "create_run": Operation([], lambda s: s.runs.create_run(started(run_id, mob_id))),
        "get_run": Operation([], lambda s: s.runs.get_run(run_id)),
        "list_runs": Operation([], lambda s: s.runs.list_runs(mob_id)),
        "cas_run_status": Operation(
            [STATUSES, STATUSES],
            lambda s, one, two: s.runs.cas_run_status(run_id, expected=MobRunStatus(one), next=MobRunStatus(two)),
        ),
        "cas_flow_state": Operation(
            [FEW, FEW], lambda s, one, two: s.runs.cas_flow_state(run_id, expected=flow(one), next=flow(two))
        ),
        **{
            operation.name: Operation(
                [["root", "body"], ["loop-1", "loop-2"], VERSIONS, NUMBERS], partial(compound, operation.name, run_id)
            )
            for operation in COMPOUND
        },
        "append_step_entry_if_absent": Operation(
            [STEPS, NUMBERS],
            lambda s, step, number: s.runs.append_step_entry_if_absent(run_id, entry=step_entry(step, output=number)),
        ),
        "put_step_output": Operation(
            [STEPS, NUMBERS],
            lambda s, step, number: s.runs.put_step_output(run_id, step_id=step, output=number),
        ),
        "append_failure_entry_if_absent": Operation(
            [STEPS, FEW],
            lambda s, step, one: s.runs.append_failure_entry_if_absent(run_id, entry=failure_entry(step, str(one))),
        ),
        "upsert_loop_snapshot": Operation(
            [FEW],
            lambda s, one: s.runs.upsert_loop_snapshot(run_id, loop_instance_id="loop-1", snapshot=loop(one)),
        ),
    }


def compound(
    method: str, run_id: str, stores: MobStorage, frame_id: str, loop_id: str, versions: list[int], number: int
) -> Awaitable[bool]:
    """One of the eight operations, each of which takes what it needs of these."""
    expected_run, next_run, expected_frame, next_frame, expected_loop, next_loop = versions
    arguments: dict[str, Any] = {
        "expected_run_state": flow(expected_run),
        "next_run_state": flow(next_run),
        "frame_id": frame_id,
        "expected_frame": frame(expected_frame),
        "next_frame": frame(next_frame),
        "initial_frame": frame(next_frame),
        "expected": frame(expected_frame) if expected_loop else None,
        "next": frame(next_frame),
        "loop_instance_id": loop_id,
        "expected_loop": loop(expected_loop),
        "next_loop": loop(next_loop),
        "initial_loop": loop(next_loop),
        "ledger_entry": iteration_entry(frame_id, loop_instance_id=loop_id),
        "step_output_key": STEPS[expected_loop],
        "step_output": number,
        "loop_context": ("refine", next_loop) if expected_run else None,
        "authority_inputs": [authority_input(number)],
    }
    taken = inspect.signature(getattr(MobRunStore, method)).parameters
    return getattr(stores.runs, method)(run_id, **{name: arguments[name] for name in taken if name in arguments})


def end(number: int) -> NewMobEvent:
    """The flow of a run ends well or badly; half of the ends happened long ago."""
    event = completed(LAST_RUN) if number % 2 else failed(LAST_RUN)
    return event.model_copy(update={"timestamp": NOON}) if number % 4 < 2 else event


LOG = {
    "create_run": Operation([], lambda s: s.runs.create_run(started(LAST_RUN, "last"))),
    "get_run": Operation([], lambda s: s.runs.get_run(LAST_RUN)),
    "cas_run_snapshot_and_append_terminal_event": Operation(
        [FEW, FEW, NUMBERS],
        lambda s, one, two, number: s.runs.cas_run_snapshot_and_append_terminal_event(
            LAST_RUN,
            expected_status=MobRunStatus.RUNNING,
            expected_flow_state=flow(one),
            next_status=MobRunStatus.RUNNING,
            next_flow_state=flow(two),
            event=end(number),
            authority_inputs=[authority_input(number)],
        ),
    ),
    "append": Operation([NUMBERS], lambda s, number: s.events.append(numbered(number))),
    "append_batch": Operation(
        [NUMBERS], lambda s, number: s.events.append_batch([numbered(number), numbered(number, timestamp=NOON)])
    ),
    "append_terminal_event_if_absent": Operation(
        [NUMBERS], lambda s, number: s.events.append_terminal_event_if_absent(end(number))
    ),
    "append_step_failed_event_if_absent": Operation(
        [STEPS, FEW], lambda s, step, one: s.events.append_step_failed_event_if_absent(step_failed(step, f"exit {one}"))
    ),
    "poll": Operation([range(20)], lambda s, after: s.events.poll(after, 3)),
    "replay_all": Operation([], lambda s: s.events.replay_all()),
    "latest_cursor": Operation([], lambda s: s.events.latest_cursor()),
    "prune": Operation([], lambda s: s.events.prune(NOON.replace(hour=13))),
    "clear": Operation([], lambda s: s.events.clear()),
}
"""The operations of the log, and of one run whose end is told there."""

SPECS = {
    "put_spec": Operation(
        [NAMES, NUMBERS, REVISIONS],
        lambda s, name, number, revision: s.specs.put_spec(name, definition(str(number)), revision),
    ),
    "get_spec": Operation([NAMES], lambda s, name: s.specs.get_spec(name)),
    "list_specs": Operation([], lambda s: s.specs.list_specs()),
    "delete_spec": Operation([NAMES, REVISIONS], lambda s, name, revision: s.specs.delete_spec(name, revision)),
}

RUNTIME_METADATA = {
    "load_supervisor_authority": Operation([], lambda s: s.runtime_metadata.load_supervisor_authority("a")),
    "put_supervisor_authority_if_absent": Operation(
        [FEW],
        lambda s, epoch: s.runtime_metadata.put_supervisor_authority_if_absent("a", authority(epoch=epoch)),
    ),
    "compare_and_put_supervisor_authority": Operation(
        [FEW, FEW],
        lambda s, one, two: s.runtime_metadata.compare_and_put_supervisor_authority(
            "a", authority(epoch=one), authority(epoch=two)
        ),
    ),
    "compare_and_delete_supervisor_authority": Operation(
        [FEW], lambda s, one: s.runtime_metadata.compare_and_delete_supervisor_authority("a", authority(epoch=one))
    ),
    "delete_supervisor_authority": Operation([], lambda s: s.runtime_metadata.delete_supervisor_authority("a")),
    "list_external_binding_overlays": Operation([], lambda s: s.runtime_metadata.list_external_binding_overlays("a")),
    "put_external_binding_overlay_if_absent": Operation(
        [FEW, NUMBERS],
        lambda s, one, number: s.runtime_metadata.put_external_binding_overlay_if_absent(
            "a", overlay(generation=one, bootstrap_token=str(number))
        ),
    ),
    "upsert_external_binding_overlay": Operation(
        [FEW, NUMBERS],
        lambda s, one, number: s.runtime_metadata.upsert_external_binding_overlay(
            "a", overlay(generation=one, bootstrap_token=str(number))
        ),
    ),
    "compare_and_put_external_binding_overlay": Operation(
        [FEW, FEW, FEW],
        lambda s, one, old, new: s.runtime_metadata.compare_and_put_external_binding_overlay(
            "a",
            overlay(generation=one, bootstrap_token=str(old)),
            overlay(generation=one, bootstrap_token=str(new)),
        ),
    ),
    "delete_external_binding_overlays": Operation(
        [], lambda s: s.runtime_metadata.delete_external_binding_overlays("a")
    ),
}

REALM_PROFILES = {
    "create": Operation([NAMES, NUMBERS], lambda s, name, number: s.realm_profiles.create(name, profile(str(number)))),
    "get": Operation([NAMES], lambda s, name: s.realm_profiles.get(name)),
    "list": Operation([], lambda s: s.realm_profiles.list()),
    "update": Operation(
        [NAMES, NUMBERS, range(6)],
        lambda s, name, number, revision: s.realm_profiles.update(name, profile(str(number)), revision),
    ),
    "delete": Operation([NAMES, range(6)], lambda s, name, revision: s.realm_profiles.delete(name, revision)),
}

RECORDS = {
    "insert": Operation([NAMES, FEW], lambda s, key, one: s.records.insert("c", key, {"n": one})),
    "get": Operation([NAMES], lambda s, key: s.records.get("c", key)),
    "list": Operation([NAMES, FEW], lambda s, key, one: s.records.list("c", key, one)),
    "collections": Operation([], lambda s: s.records.collections()),
    "compare_and_put": Operation(
        [NAMES, FEW, NUMBERS],
        lambda s, key, one, number: s.records.compare_and_put("c", key, {"n": one} if one else None, {"n": number % 3}),
    ),
    "compare_and_delete": Operation(
        [NAMES, FEW], lambda s, key, one: s.records.compare_and_delete("c", key, {"n": one})
    ),
}

CONFIG = {
    "get": Operation([NAMES], lambda s, id: s.config.get("n", id)),
    "put": Operation([NAMES, FEW, NUMBERS], lambda s, id, one, number: s.config.put("n", id, at(one, number=number))),
    "put_if_absent": Operation(
        [NAMES, NUMBERS], lambda s, id, number: s.config.put_if_absent("n", id, at(0, number=number))
    ),
    "put_if_revision": Operation(
        [NAMES, FEW, FEW, NUMBERS],
        lambda s, id, one, two, number: s.config.put_if_revision("n", id, at(two, number=number), one),
    ),
    "delete_if_revision": Operation([NAMES, FEW], lambda s, id, one: s.config.delete_if_revision("n", id, one)),
    "apply": Operation(
        [FEW, FEW, NUMBERS],
        lambda s, one, two, number: s.config.apply(
            [PutIfRevision("n", "a", at(two, number=number), one), PutIfAbsent("n", "b", number), Delete("n", "c")]
        ),
    ),
    "delete": Operation([NAMES], lambda s, id: s.config.delete("n", id)),
    "snapshot": Operation([], lambda s: s.config.snapshot(["n"])),
    "change_token": Operation([], lambda s: s.config.change_token("n")),
    "history": Operation([NAMES], lambda s, id: s.config.history("n", id)),
}

OBJECTS: Mapping[str, Mapping[str, Operation]] = {
    "run a": of_run(RUN_A, "a"),
    "run b": of_run(RUN_B, "b"),
    "log": LOG,
    "specs": SPECS,
    "runtime metadata": RUNTIME_METADATA,
    "realm profiles": REALM_PROFILES,
    "records": RECORDS,
    "config": CONFIG,
}
"""What calls are about. Each call is about one of them, and they share nothing."""

OPERATIONS = [
    (what, name)
    for what, operations in OBJECTS.items()
    for name in operations
    for _ in range(7 if name == "get_run" else 1)
]
"""All of them; runs are read often, since the checker must try every order of the writes between two reads."""

FIRST: Sequence[Call] = [[what, "create_run"] for what in ("run a", "run b", "log")]
"""What every client does before anything else."""


def draw(random: Random, operations: Sequence[Sequence[str]]) -> Call:
    """A call of one of these operations, each of which is named by what it is about and its own name."""
    what, name = random.choice(operations)
    return [what, name, *(random.choice(choices) for choices in OBJECTS[what][name].choices)]


async def answer(stores: Any, call: Call) -> str:
    """Everything that the stores say to a call, an error included."""
    what, name, *arguments = call
    return said(await outcome(OBJECTS[what][name].perform(stores, *arguments)))
