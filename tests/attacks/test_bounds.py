"""What an error shows of a value that a caller gave is bounded, and the length of what was cut is told."""

from __future__ import annotations

import pytest

from redis_mob.errors import MOST_SHOWN, shortened, shown


class Unprintable:
    def __repr__(self) -> str:
        raise LookupError("no repr")


@pytest.mark.parametrize("value", ["a", "", "é'\"", "x" * MOST_SHOWN, b"raw", 17, 1.5, None, [1, "a"]])
def test_a_short_value_is_shown_as_its_repr(value: object) -> None:
    assert shown(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("x" * 10_000, "(10000 characters)"),
        (b"x" * 10_000, "(10000 bytes)"),
        ("\U000e0001" * 150, "(150 characters)"),
        (list(range(10_000)), f"({len(repr(list(range(10_000))))} characters)"),
    ],
    ids=["text", "bytes", "characters whose repr is long", "list"],
)
def test_a_long_value_is_cut_and_its_length_told(value: object, length: str) -> None:
    assert shown(value).endswith(length)
    assert len(shown(value)) < MOST_SHOWN + 40


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(10**5000, "<a value of type int>", id="too many digits"),
        pytest.param(Unprintable(), "<a value of type Unprintable>", id="a repr that raises"),
    ],
)
def test_a_value_without_a_repr_is_shown_by_its_type(value: object, said: str) -> None:
    assert shown(value) == said


def test_a_text_is_shortened_without_quotes() -> None:
    assert shortened("run-1") == "run-1"
    assert shortened("r" * 10_000) == f"{'r' * MOST_SHOWN}… (10000 characters)"
