"""Limits in tokens as they are written: what is accepted, what is refused, and what older releases do not run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob import DefinitionError, Mob, MobDefinition, step
from redis_mob.codec.definitions import decode_definition, encode_definition
from redis_mob.codec.schedule import decode_entry, encode_entry, encode_limits, encode_queue
from redis_mob.kernel.validation import validate
from redis_mob.models.execution import ExecutionKey, Queue
from redis_mob.models.limits import Counts, Limit, RateSpec, in_two_digits
from tests.fleet import flows
from tests.fleet.flows import FLOW, mob
from tests.fleet.limited_floor import with_limits

TOKENS: dict[str, Any] = {"limit": 60_000, "per": "1m", "units": 2_000}


def of_step(rate: Any) -> MobDefinition:
    return mob({"a": flows.step(rate=rate)})


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ({**TOKENS, "units": 0}, "greater than or equal to 1"),
        ({**TOKENS, "units": 1.5}, "valid integer"),
        ({**TOKENS, "units": 60_001}, "units, 60,001, are more than the limit, 60,000: nothing would begin"),
        ({"limit": 3, "per": "1m", "counts": "input"}, "counts says which tokens are counted, and units is missing"),
        ({**TOKENS, "counts": "inputs"}, "'input', 'output' or 'total'"),
        ([], "these are 0 rates; give 1 to 3"),
        ([{**TOKENS, "per": f"{n}m"} for n in (1, 2, 3, 4)], "these are 4 rates; give 1 to 3"),
        ([TOKENS, {**TOKENS, "limit": 70_000, "counts": "total"}], "two of the rates count the same"),
        ([TOKENS, {**TOKENS, "per": "60s"}], "two of the rates count the same"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(rate: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        of_step(rate)


def test_a_file_is_told_which_rate_is_wrong() -> None:
    text = (
        '[mob]\nid = "m"\n[profiles.w]\nmodel = "m"\n[flows.f.steps.a]\nrole = "w"\nmessage = "go"\n'
        'rate = [{limit = 10, per = "1m"}, {limit = 10, per = "1m", units = 20}]\n'
    )
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(text)
    assert str(caught.value) == ("flows.f.steps.a.rate[1]: units, 20, are more than the limit, 10: nothing would begin")


@pytest.mark.parametrize(
    "rate",
    [
        {"limit": 3, "per": "1m"},
        TOKENS,
        {**TOKENS, "units": "{{ params.tokens }}", "counts": "output"},
        [{"limit": 3, "per": "1m"}, {**TOKENS, "counts": "input"}, {**TOKENS, "counts": "output"}],
    ],
)
def test_a_rate_is_written_as_it_was_read(rate: Any) -> None:
    definition = of_step(rate)
    written = definition.model_dump(mode="json")["flows"][FLOW]["steps"]["a"]["rate"]
    without = [{name: value for name, value in one.items() if value is not None} for one in _listed(written)]
    assert without == _listed(rate)
    assert MobDefinition.from_toml(definition.to_toml()) == definition
    assert MobDefinition.model_validate_json(definition.model_dump_json()) == definition


def _listed(rate: Any) -> list[Any]:
    return list(rate) if isinstance(rate, list) else [rate]  # pyright: ignore[reportUnknownArgumentType]


def test_only_a_definition_that_counts_units_needs_a_release_that_does() -> None:
    plain, several = {"limit": 3, "per": "1m"}, [{"limit": 3, "per": "1m"}, {"limit": 9, "per": "1h"}]
    for rate, needs in ((plain, b'["limits"]'), (several, b'["limits","units"]'), (TOKENS, b'["limits","units"]')):
        digest, data = encode_definition(of_step(rate))
        assert data.startswith(b'{"needs":%b,' % needs)
        assert decode_definition(digest, data) == of_step(rate)
    digest, data = encode_definition(with_limits(mob({"a": flows.step()}), rate=TOKENS))
    assert data.startswith(b'{"needs":["limits","units"],')


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ("{{ params.tokens }}", []),
        ("{{ steps.b.output }}", ["flows.flow.steps.a.rate.units"]),
        ("{{ item }}", ["flows.flow.steps.a.rate.units"]),
        ("{{ params.tokens", ["flows.flow.steps.a.rate.units"]),
    ],
)
def test_the_paths_of_units_are_checked_like_those_of_keys(units: str, said: list[str]) -> None:
    assert [one.location for one in validate(of_step({**TOKENS, "units": units}))] == said
    several = of_step([{"limit": 3, "per": "1m"}, {**TOKENS, "units": units}])
    assert [one.location for one in validate(several)] == [one.replace("rate", "rate[1]") for one in said]


def test_the_units_of_a_flow_may_name_its_parameters_alone() -> None:
    for units, number in (("{{ params.tokens }}", 0), ("{{ steps.a.output }}", 1)):
        found = validate(with_limits(mob({"a": flows.step()}), rate={**TOKENS, "units": units}))
        assert len(found) == number
        assert all("may name params alone" in str(one) for one in found)


def test_rates_are_given_in_python_too() -> None:
    made = Mob("m")
    made.role("w")
    rates = [{"limit": 10, "per": "1m"}, RateSpec(limit=60_000, per="1m", units=2_000, counts=Counts.INPUT)]
    made.flow("f", [step("a", role="w", rate=rates)])
    spec = made.definition().flows["f"].steps["a"].rate
    assert spec == (RateSpec(limit=10, per="1m"), RateSpec(limit=60_000, per="1m", units=2_000, counts=Counts.INPUT))


@pytest.mark.parametrize(("units", "rounded"), [(1, 1), (99, 99), (101, 110), (1_999, 2_000), (2_001, 2_100)])
def test_units_are_rounded_up_to_two_digits(units: int, rounded: int) -> None:
    assert in_two_digits(units) == rounded


def test_the_limits_of_an_entry_have_room_in_one_byte_of_length() -> None:
    """As many as there may be; a rate without units is as it was."""
    most = [Limit(step_id=None, limit=1)] + [
        Limit(limit=9, per_ms=3_153_600_000_000, counts=counts, units=9) for counts in Counts
    ]
    queue, key = encode_queue(Queue("m", "r")), ExecutionKey("f", "n", "t")
    both = encode_limits("m", "f", most + [one.model_copy(update={"step_id": "a"}) for one in most])
    assert (both[0], both[1]) == (0xC4, 2 * (29 + 3 * 31))
    run_id = "11111111-2222-3333-4444-555555555555"
    assert decode_entry(encode_entry(queue, 0, run_id, key, both)) == (run_id, key)
    plain = encode_limits("m", "f", [Limit(limit=5, per_ms=60_000)])
    assert plain[2:3] == b"r"
    assert plain[19:] == b"\0\0\0\x05" + (60_000).to_bytes(8)
