"""Executions that are over are packed, and read back as they were; those under way are JSON that can be compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.codec.definitions import decode_definition, digests_of, encode_definition
from redis_mob.codec.executions import (
    MOST_REMEMBERED,
    decode_executions,
    decode_launch,
    encode_execution,
    encode_launch,
    execution_field,
)
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models.base import U32_MAX, U64_MAX, SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, Item, Lease, ReportedFailure, RunLaunch
from redis_mob.models.fork import Carried, CarriedStep, ForkedFrom
from redis_mob.testing.samples.driven_runs import ONE_STEP, OVER_ITEMS
from redis_mob.testing.samples.json_values import ANY_JSON
from redis_mob.testing.samples.states import NOON
from tests.fleet.flows import mob, step, wait

RUN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
KEY = ExecutionKey(f"{RUN_ID}-root", "build", "worker-1")
OVER = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
MOMENTS = st.datetimes(timezones=st.just(UTC))
EXECUTIONS = st.builds(
    Execution,
    step_id=TEXTS,
    role=TEXTS,
    message=TEXTS | TEXTS.map(lambda text: ({"type": "text", "text": text},)),
    status=st.sampled_from(ExecutionStatus),
    attempt=st.integers(0, U32_MAX),
    lost=st.integers(0, U32_MAX),
    lost_with_others=st.integers(0, U32_MAX),
    due_at=MOMENTS,
    fencing_token=st.integers(0, U64_MAX),
    item=st.none() | st.builds(Item, index=st.integers(0, 9), items=st.integers(10, U32_MAX), value=JSON),
    lease=st.none() | st.builds(Lease, owner=TEXTS, fencing_token=st.just(1), expires_at=MOMENTS, deadline=MOMENTS),
    output=JSON,
    failure=st.none() | st.builds(ReportedFailure, reason=TEXTS, detail=JSON),
    reason=st.none() | TEXTS,
    error_class=st.none() | TEXTS,
    detail=JSON,
)


def execution(**changes: Any) -> Execution:
    fields = {"step_id": "build", "role": "worker", "message": "Build it", "due_at": NOON, **changes}
    return Execution.model_validate(fields)


def decoded(record: bytes) -> Execution:
    return decode_executions(RUN_ID, {execution_field(KEY): record})[KEY]


@given(EXECUTIONS)
def test_any_execution_is_read_back_as_it_was(told: Execution) -> None:
    back = decoded(encode_execution(told))
    assert back == told
    assert back.model_dump_json() == told.model_dump_json()
    assert encode_execution(back) == encode_execution(told)


def test_an_execution_under_way_is_json_as_ever() -> None:
    for status in set(ExecutionStatus) - {*OVER}:
        told = execution(status=status)
        assert encode_execution(told) == told.model_dump_json().encode()


@pytest.mark.parametrize("status", OVER)
def test_the_json_of_an_older_release_is_read(status: ExecutionStatus) -> None:
    told = execution(status=status, output=ANY_JSON, reason="broken")
    assert decoded(told.model_dump_json().encode()) == told


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (
            b"\x01\x98\x00\xa5build\xa6worker\x01\x00\x07\xcf\x00\x06K\xf55\xb0\xf2@\xd9%"
            b'"message":"Build it","output":{"a":1}',
            execution(status=ExecutionStatus.COMPLETED, output={"a": 1}, fencing_token=7),
        ),
        (
            b"\x01\x98\x01\xa5build\xa6worker\x03\x01\x00\xcf\x00\x06K\xf55\xb0\xf2@\xd9&"
            b'"message":"Build it","reason":"broken"',
            execution(status=ExecutionStatus.FAILED, reason="broken", attempt=3, lost=1),
        ),
        (
            b'\x01\x98\x02\xa5build\xa6worker\x01\x00\x00\xcf\x00\x06K\xf55\xb0\xf2@\xb4"message":"Build it"',
            execution(status=ExecutionStatus.CANCELED),
        ),
    ],
    ids=OVER,
)
def test_what_was_packed_is_read_for_ever(record: bytes, told: Execution) -> None:
    assert decoded(record) == told


@pytest.mark.parametrize("status", OVER)
def test_every_cut_of_a_packed_record_is_told(status: ExecutionStatus) -> None:
    record = encode_execution(execution(status=status, output=[1], reason="broken"))
    for length in range(len(record)):
        with pytest.raises(SerializationError, match=f"run {RUN_ID}: an execution cannot be read"):
            decoded(record[:length])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("step_id", 7),
        ("step_id", b"build"),
        ("role", None),
        ("message", NOON),
        ("message", b"Build it"),
        ("attempt", 1.0),
        ("lost", U32_MAX + 1),
        ("lost_with_others", U32_MAX + 1),
        ("fencing_token", -1),
        ("due_at", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("due_at", "2026-01-01T00:00:00Z"),
        ("reason", 7),
        ("lease", {"owner": "w"}),
    ],
)
@pytest.mark.parametrize("status", [ExecutionStatus.REPORTED, *OVER])
def test_an_execution_that_holds_something_else_is_refused(status: ExecutionStatus, field: str, value: Any) -> None:
    wrong = execution(status=status).model_copy(update={field: value})
    with pytest.raises(InternalError, match="the execution cannot be stored"):
        encode_execution(wrong)


def test_an_execution_that_was_written_is_compared_with_the_same_record() -> None:
    told = execution(status="leased")
    assert encode_execution(told) is encode_execution(told)
    assert told == execution(status="leased"), "what it remembers does not count when executions are compared"


def test_a_changed_copy_of_an_execution_has_a_record_of_its_own() -> None:
    told = execution()
    before = encode_execution(told)
    changed = told.model_copy(update={"attempt": 2})
    assert encode_execution(changed) == encode_execution(execution(attempt=2)) != before
    assert encode_execution(told.model_copy()) is before


def test_what_is_vouched_for_is_not_read_back() -> None:
    unreadable = execution().model_copy(update={"attempt": 2**40})
    with pytest.raises(InternalError, match="attempt"):
        encode_execution(unreadable)
    assert b'"attempt":1099511627776' in encode_execution(unreadable, is_vouched=True)


def test_a_definition_over_items_is_none_to_a_release_that_does_not_know_them() -> None:
    digest, data = encode_definition(OVER_ITEMS)
    assert decode_definition(digest, data) == OVER_ITEMS
    with pytest.raises(ValueError, match="id"):
        MobDefinition.model_validate_json(data)
    assert encode_definition(ONE_STEP)[1] == ONE_STEP.model_dump_json().encode()


def test_a_definition_is_encoded_once_and_another_one_anew() -> None:
    encoded = encode_definition(OVER_ITEMS)
    assert encode_definition(OVER_ITEMS)[1] is encoded[1]
    equal = OVER_ITEMS.model_copy()
    assert encode_definition(equal) == encoded
    assert encode_definition(equal)[1] is not encoded[1]
    assert encode_definition(OVER_ITEMS.model_copy(update={"id": "another"}))[0] != encoded[0]


def test_a_definition_that_waits_for_signals_is_none_to_a_release_that_does_not_know_them() -> None:
    both = mob({"a": wait(), "b": step("a", for_each="steps.a.payload")})
    for definition, needs in ((mob({"a": wait()}), b'["wait_for"]'), (both, b'["for_each","wait_for"]')):
        digest, data = encode_definition(definition)
        assert data.startswith(b'{"needs":%b,' % needs)
        assert decode_definition(digest, data) == definition


def test_a_definition_that_needs_a_later_release_is_refused_by_what_it_needs() -> None:
    digest, data = encode_definition(OVER_ITEMS)
    with pytest.raises(SerializationError, match="has 'telepathy', which this release does not know"):
        decode_definition(digest, data.replace(b'["for_each"]', b'["for_each","telepathy"]'))


def test_a_definition_of_forks_is_another_one_and_none_to_a_release_that_does_not_know_them() -> None:
    for definition, needs in ((ONE_STEP, b'["fork"]'), (OVER_ITEMS, b'["for_each","fork"]')):
        digest, data = encode_definition(definition, forked=True)
        assert data.startswith(b'{"needs":%b,' % needs)
        assert decode_definition(digest, data) == definition
        assert digests_of(definition) == (encode_definition(definition)[0], digest)
        assert len(set(digests_of(definition))) == 2
    assert encode_definition(ONE_STEP)[1] == ONE_STEP.model_dump_json().encode()


def test_what_is_carried_over_is_read_as_it_was_written() -> None:
    plain = RunLaunch(definition="d", members=SortedDict())
    assert b"carried" not in encode_launch(plain)
    assert b"forked_from" not in encode_launch(plain)
    step = CarriedStep(outputs=SortedDict({"worker-1#0": {"a": [1, None]}}), items=2, recorded=(None,))
    carried = Carried(frames=SortedDict({"-root": SortedDict({"node": step})}), loops=SortedDict({"-root::l": 3}))
    origin = ForkedFrom(run_id=str(uuid4()), from_step="a")
    for long in (0, MOST_REMEMBERED):
        text = SortedDict({"worker": ("x" * long,)})
        launch = RunLaunch(definition="d", members=text, forked_from=origin, carried=carried)
        assert decode_launch("run", encode_launch(launch)) == launch
