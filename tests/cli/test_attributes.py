"""`redis-mob attributes`, and lists by attributes: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob.codec.labels import checked_labels
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP, pending
from tests.cli.command import Ended, redis_mob

RUN = "0191a6a0-0000-4000-8000-00000000000a"
OTHER = "1191a6a0-0000-4000-8000-00000000000a"


@pytest.fixture
def runs(server_url: str, namespace: str) -> None:
    """Two runs, of which one has attributes."""

    async def create() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            for run_id, labels in (
                (OTHER, checked_labels(None, None)),
                (RUN, checked_labels({"customer": "acme", "year": 2026, "\x1b[31m": "a b\nc"}, "said \x1b[31m")),
            ):
                run, launch = pending(ONE_STEP, run_id=run_id)
                await storage.executions.start_run(run, launch, ONE_STEP, labels=labels)

    asyncio.run(create())


def ended(directory: Path, server_url: str, namespace: str, *words: str) -> Ended:
    return redis_mob(directory, *words, "--url", server_url, "--namespace", namespace)


@pytest.mark.usefixtures("runs")
def test_attributes_are_set_and_told(tmp_path: Path, server_url: str, namespace: str) -> None:
    def told(*words: str) -> Any:
        done = ended(tmp_path, server_url, namespace, *words)
        assert done.status == 0, done.err
        assert "\x1b" not in done.out
        return done.out

    assert told("attributes", "0191").splitlines() == [
        "\\x1b[31m=a b\\nc",
        "customer=acme",
        "year=2026",
        "summary: said \\x1b[31m",
    ]
    changed = told("attributes", "0191", "year=a=b", "paid=", "--unset", "\x1b[31m", "--summary", "", "--json")
    assert json.loads(changed) == {
        "run_id": RUN,
        "attributes": {"customer": "acme", "paid": "", "year": "a=b"},
        "summary": None,
    }
    assert "attributes: customer=acme paid= year=a=b" in told("show", RUN)
    [line] = told("ls", "--attribute", "year=a=b", "--attribute", "customer=acme", "--json").splitlines()
    assert json.loads(line)["attributes"] == {"customer": "acme", "paid": "", "year": "a=b"}
    assert told("ls", "--attribute", "paid=").splitlines()[1].endswith("customer=acme paid= year=a=b")
    assert told("ls", "--attribute", "paid=no") == ""
    assert json.loads(told("count", "--attribute", "customer=acme", "--json"))["total"] == 1
    assert told("attributes", OTHER) == ""


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("attributes", "0191", "customer"), 2, "NAME=VALUE: 'customer' has no value: write NAME=VALUE"),
        (("attributes", "0191", "=x"), 2, "the name of an attribute must not be empty"),
        (("attributes", "0191", "a=1", "a=2"), 2, "attribute 'a' is given twice, with two values"),
        (("attributes", "0191", "a=1", "--unset", "a"), 2, "attribute 'a' is both set and unset"),
        (("attributes", "0191", "--unset", ""), 2, "--unset: the name of an attribute must not be empty"),
        (("attributes", "0191", "a=" + "x" * 257), 2, "257 bytes in UTF-8, more than 256"),
        (("attributes", "0191", "--summary", "x" * 1001), 2, "summary has 1,001 characters"),
        (("attributes", "ffff", "a=1"), 2, "there is no run 'ffff'"),
        (("attributes", "2191a6a0-0000-4000-8000-00000000000a", "a=1"), 2, "2191a6a0"),
        (("attributes", "0191", *(f"n{number}=1" for number in range(32))), 1, "a run may have 32 attributes"),
        (("ls", "--attribute", "customer"), 2, "--attribute: 'customer' has no value"),
        (("count", "--attribute", "=1"), 2, "--attribute: the name of an attribute must not be empty"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, server_url: str, namespace: str, words: tuple[str, ...], status: int, message: str
) -> None:
    done = ended(tmp_path, server_url, namespace, *words)
    assert (done.status, done.out) == (status, "")
    assert message in " ".join(done.err.split())
