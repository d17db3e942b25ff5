"""Differences between server and memory that the machines found, each as the few calls that show it."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, InternalError
from redis_mob.models import AgentErrorReport, FailureLedgerEntry
from redis_mob.testing.samples.documents import authority, rotation
from redis_mob.testing.samples.states import failure_entry, new_run
from tests.differential.driver import agreed, twins


def failure(reason: Any) -> FailureLedgerEntry:
    report = AgentErrorReport.model_validate({"class": "Timeout", "reason": reason, "message": ""})
    return failure_entry(error_report=report)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (0.0, -0.0, True),
        ({"b": [-0.0], "a": 1}, {"a": 1, "b": [0.0]}, True),
        (1, 1.0, False),
        (0, -0.0, False),
        (1, True, False),
        ("0.0", "-0.0", False),
    ],
)
async def test_a_failure_says_the_same_if_its_json_is_equal(
    server_url: str, first: Any, second: Any, same: bool
) -> None:
    run = new_run()
    async with twins(server_url) as (server, memory):
        await agreed(server, memory, lambda storage: storage.runs.create_run(run))
        for entry in (failure(first), failure(second)):
            append = methodcaller("append_failure_entry_if_absent", run.run_id, entry=entry)
            answer = await agreed(server, memory, lambda storage, append=append: append(storage.runs))
    assert answer is False if same else isinstance(answer, CasConflictError)


async def test_a_bad_mob_id_is_refused_before_a_bad_record(server_url: str) -> None:
    foreign = rotation(2).model_copy(update={"public_peer_id": "unknown"})
    async with twins(server_url) as (server, memory):
        answer = await agreed(
            server,
            memory,
            lambda storage: storage.runtime_metadata.compare_and_put_supervisor_authority(
                "\ud800", authority(), authority(pending=foreign)
            ),
        )
    assert isinstance(answer, InternalError)
    assert "mob id" in str(answer)
