"""Texts, details and tracebacks of handlers, made storable and bounded (contract: engine-23)."""

from __future__ import annotations

import pytest

from redis_mob.fleet.said import MOST_SAID, bounded, joined, json_of, text_of, traceback_of

HUGE = "x" * 4_000_000


def size(text: str) -> int:
    return len(text.encode())


@pytest.mark.parametrize("text", ["", "plain", "é" * (MOST_SAID // 2), "x" * MOST_SAID])
def test_a_text_within_the_bound_stays_as_it_is(text: str) -> None:
    assert bounded(text) == text


@pytest.mark.parametrize(
    "text", ["x" * (MOST_SAID + 1), "é" * MOST_SAID, "\U0001f600" * MOST_SAID, "\ud800" * MOST_SAID]
)
def test_a_text_beyond_the_bound_tells_its_length(text: str) -> None:
    kept = bounded(text)
    assert MOST_SAID - 80 < size(kept) <= MOST_SAID
    assert f"({len(text):,} characters, " in kept
    assert bounded(kept) == kept


def test_a_text_that_is_cut_again_tells_its_first_length() -> None:
    again = bounded(f"step a: {bounded(HUGE)}", 1024)
    assert again.endswith(" kept)")
    assert "(4,000,008 characters, " in again


def test_joined_texts_have_shares_and_the_rest_is_counted() -> None:
    assert joined(["a", "b"]) == "a; b"
    two = joined([HUGE, "y" * MOST_SAID])
    assert two.count("(4,000,000 characters, ") == 1
    assert two.count("(16,384 characters, ") == 1
    assert size(two) <= MOST_SAID
    many = joined([f"{number}: {'z' * 1000}" for number in range(1000)])
    assert size(many) <= MOST_SAID
    assert many.endswith("; and 937 more")


def test_a_detail_stays_as_it_is_within_the_bound_and_becomes_text_beyond() -> None:
    small = {"a": [1, None, 2.5]}
    assert json_of(small, 10) is small
    assert json_of({"a": HUGE}, 10).startswith('{"a":"xxx')
    assert size(json_of({"a": HUGE}, 10)) <= MOST_SAID
    assert json_of({1, 2}, 10) == text_of({1, 2})


def chained(count: int) -> BaseException:
    error: BaseException = ValueError("the first")
    for number in range(count):
        later = ValueError(f"number {number}")
        later.__cause__, error = error, later
    return error


def test_of_a_traceback_that_is_too_long_the_end_is_kept() -> None:
    text = traceback_of(chained(1000), None)
    assert text is not None
    assert MOST_SAID - 200 < size(text) <= MOST_SAID
    assert text.startswith("(")
    assert "characters, the last" in text.splitlines()[0]
    assert text.endswith("ValueError: number 999")


def test_a_huge_message_does_not_push_the_frames_out() -> None:
    try:
        raise ValueError(HUGE)
    except ValueError as error:
        text = traceback_of(error, error.__traceback__)
    assert text is not None
    assert "test_a_huge_message_does_not_push_the_frames_out" in text
    assert "(4,000,012 characters, " in text
    assert size(text) < 2000
