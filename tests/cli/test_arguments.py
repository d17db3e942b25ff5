"""Options that are more than a text or a number, read."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.cli.arguments import parse_members, parse_params
from redis_mob.errors import ValidationError
from tests.fleet.flows import mob, step

OFFICE = mob({"write": step(role="clerk"), "judge": step("write", role="chief=1")})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, {}),
        ("{}", {}),
        ("null", None),
        ("[1, 1.0, true]", [1, 1.0, True]),
        ('"\u00e4 \\u00e4"', "ä ä"),
        ("18446744073709551616", 2**64),
    ],
)
def test_params_are_any_json(text: str | None, value: Any) -> None:
    assert repr(parse_params(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "no JSON: Expecting value at line 1, column 1", id="empty"),
        pytest.param('{"a": 1,\n "b" 2}', "Expecting ':' delimiter at line 2, column 6", id="place"),
        pytest.param("[NaN]", "cannot be used: NaN is no JSON number", id="nan"),
        pytest.param("-Infinity", "cannot be used: -Infinity is no JSON number", id="infinity"),
        pytest.param("[1e999]", r"cannot be used: \$\[0\]: inf is no JSON number", id="overflow"),
        pytest.param('"\\ud800"', "cannot be used: .* a lone surrogate", id="surrogate"),
        pytest.param("9" * 5_000, "cannot be used: Exceeds the limit", id="digits"),
        pytest.param("[" * 200 + "]" * 200, "cannot be used: .* nested deeper than 128", id="deep"),
        pytest.param("[" * 100_000, "nested too deeply", id="very_deep"),
    ],
)
def test_params_that_are_no_json(text: str, told: str) -> None:
    with pytest.raises(ValidationError, match=f"^--params .*{told}"):
        parse_params(text)


def test_members_of_roles() -> None:
    assert parse_members([], OFFICE) == {}
    assert parse_members(["clerk=3", "chief=1=20"], OFFICE) == {"clerk": 3, "chief=1": 20}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(["clerk"], "'clerk': write role=N", id="no_number"),
        pytest.param(["clerk="], "'clerk=': write role=N", id="empty_number"),
        pytest.param(["clerk=-1"], "'clerk=-1': write role=N", id="negative"),
        pytest.param(["clerk=0"], "'clerk=0': write role=N with N from 1 to 9999", id="zero"),
        pytest.param(["clerk=10000"], "write role=N with N from 1 to 9999", id="many"),
        pytest.param(["clerk=٣"], "write role=N", id="other_digits"),
        pytest.param(["clerk=2", "boss=2"], "'boss=2': the definition has no role 'boss'", id="unknown"),
        pytest.param(["clerk=2", "clerk=2"], "role 'clerk' is given twice", id="twice"),
    ],
)
def test_members_that_make_no_sense(options: list[str], told: str) -> None:
    with pytest.raises(ValidationError, match=f"^--members .*{told}"):
        parse_members(options, OFFICE)
