"""The handlers that come with the package in processes of their own."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from redis_mob import MobRunStatus, isolated
from redis_mob.fleet.isolation import require_importable
from redis_mob.handlers import chat, command, http, mcp_tools
from redis_mob.storage import MobStorage
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


HANDLERS: dict[str, Any] = {
    "command": command(["prog", "-v"], env={"A": "b"}),
    "http": http("https://host/path", headers={"A": "b"}),
    "chat": chat("small", api_key="key", tools=[double]),
    "mcp": chat("small", api_key="key", tools=[mcp_tools(["prog"], allowed_tools=["look"], env={"A": "b"})]),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_that_is_made_of_plain_values_can_be_isolated(name: str) -> None:
    require_importable({"role": isolated(HANDLERS[name])})
    assert repr(pickle.loads(pickle.dumps(HANDLERS[name]))) == repr(HANDLERS[name])  # noqa: S301


async def test_a_program_runs_under_a_process_of_its_handler(tmp_path: Path) -> None:
    handler = command(
        [sys.executable, "-c", "import json, sys; print(json.load(sys.stdin)['member'].__repr__())"], stdout="text"
    )
    async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, mob({"a": step()}), isolated(handler))
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"] == {"worker-1": "'worker-1'\n"}
