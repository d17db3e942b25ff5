"""Log records have the ids of the run and the step that they are about (contract: telemetry-9)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from redis_mob import StepContext
from redis_mob.storage import MobStorage
from redis_mob.telemetry import RunLogFilter, active
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow

LOG = logging.getLogger("tests.telemetry.library")


class Kept(logging.Handler):
    """Keeps what a format with ids makes of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(run_id)s|%(step_id)s|%(member)s|%(attempt)s|%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(active, "wants_log_ids", False)
    handler = Kept()
    handler.addFilter(RunLogFilter())
    LOG.addHandler(handler)
    yield handler
    LOG.removeHandler(handler)


async def test_records_of_a_handler_have_its_ids_also_those_of_libraries(storage: MobStorage, kept: Kept) -> None:
    async def library() -> None:
        LOG.warning("within")

    async def work(ctx: StepContext) -> int:
        await library()
        return 1

    def plain(ctx: StepContext) -> int:
        LOG.warning("thread")
        return 1

    definition = mob({"a": step(), "b": step("a", role="lead")})
    run = await run_flow(storage, definition, {"worker": work, "lead": plain})
    LOG.warning("outside")
    assert kept.lines == [
        f"{run.run_id}|a|worker-1|1|within",
        f"{run.run_id}|b|lead-1|1|thread",
        "|||0|outside",
    ]


def test_a_record_that_has_ids_itself_keeps_them(kept: Kept) -> None:
    LOG.warning("told", extra={"run_id": "r", "step_id": "s"})
    assert kept.lines == ["r|s||0|told"]
