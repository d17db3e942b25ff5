"""Times are RFC 3339: what pydantic reads beside that, as seconds since 1970, is refused (contract: json-6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from redis_mob.models.ledger import StepLedgerEntry
from redis_mob.models.problems import problems
from redis_mob.testing.samples.documents import overlay

ENTRY = '{"step_id":"s","agent_identity":"a","status":"completed","output":null,"timestamp":%s}'


def read(written: str) -> datetime:
    return StepLedgerEntry.model_validate_json(ENTRY % written).timestamp


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01t00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01 00:00:00+01:30", datetime(2025, 12, 31, 22, 30, tzinfo=UTC)),
        ("2026-01-01T00:00:00-00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, microsecond=123456, tzinfo=UTC)),
    ],
)
def test_times_of_rfc_3339_are_read(written: str, moment: datetime) -> None:
    assert read(f'"{written}"') == moment


@pytest.mark.parametrize(
    "written",
    [
        "5", "1700000000", "1.5", "true", "{}", '"5"', '"-5"', '"1700000000"', '"1e9"', '""', '"2026-01-01"',
        '"2026-01-01T00:00Z"', '"2026-01-01_00:00:00Z"', '"20260101T000000Z"', '" 2026-01-01T00:00:00Z"',
        '"2026-01-01T00:00:00Z "', '"2026-01-01T00:00:00+0100"', '"２026-01-01T00:00:00Z"', '"2026-01-01T00:00:00Z\\n"',
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(written)
    assert problems(refused.value) == "timestamp: a time of RFC 3339 is needed, as 2026-03-01T12:00:00Z"


@pytest.mark.parametrize("written", ['"2026-02-30T00:00:00Z"', '"2026-01-01T25:00:00Z"', '"0001-01-01T00:00:00+01:00"'])
def test_a_time_that_there_is_not_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="timestamp"):
        read(written)


def test_a_time_without_a_zone_is_told_as_such() -> None:
    with pytest.raises(ValidationError) as refused:
        read('"2026-01-01T00:00:00"')
    assert problems(refused.value) == "timestamp: Input should have timezone info"


def test_in_python_a_moment_is_given_as_one() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert overlay(updated_at=moment).updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    for wrong in ("2026-01-01T00:00:00Z", 5, datetime(2026, 1, 1)):  # noqa: DTZ001 - a time without a zone is meant
        with pytest.raises(ValidationError, match="updated_at"):
            overlay(updated_at=wrong)


def test_the_json_schema_says_date_time() -> None:
    schema = StepLedgerEntry.model_json_schema()["properties"]["timestamp"]
    assert (schema["type"], schema["format"]) == ("string", "date-time")
