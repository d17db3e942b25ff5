"""Pauses between attempts: each twice as long as the one before, up to a bound, less a random part."""

from __future__ import annotations

from random import Random

import pytest

from redis_mob.models.backoff import backoff


def greatest(_least: float, most: float) -> float:
    return most


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    pauses = [backoff(failures, first=0.1, longest=1.0, uniform=greatest) for failures in range(1, 7)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_up_to_half_of_a_pause_is_taken_away_at_random() -> None:
    random = Random(1)
    pauses = [backoff(3, first=0.1, longest=30.0, uniform=random.uniform) for _ in range(1000)]
    assert 0.2 <= min(pauses) < 0.21
    assert 0.39 < max(pauses) <= 0.4


@pytest.mark.parametrize(("factor", "pauses"), [(1.0, [2, 2, 2, 2]), (1.5, [2, 3, 4.5, 6.75]), (10.0, [2, 20, 50, 50])])
def test_a_factor_says_how_fast_pauses_grow(factor: float, pauses: list[float]) -> None:
    found = [backoff(failures, first=2, longest=50, factor=factor, uniform=greatest) for failures in range(1, 5)]
    assert found == pytest.approx(pauses)


def test_jitter_says_how_much_of_a_pause_is_random() -> None:
    random = Random(1)
    for jitter, least in ((0.0, 4.0), (0.25, 3.0), (1.0, 0.0)):
        pauses = [backoff(1, first=4, longest=30, jitter=jitter, uniform=random.uniform) for _ in range(1000)]
        assert least <= min(pauses) < least + 0.05
        assert max(pauses) <= 4


def test_no_first_pause_is_no_pause_ever() -> None:
    assert backoff(5000, first=0, longest=30, factor=1e300, uniform=greatest) == 0


@pytest.mark.parametrize("failures", [10_000, 2**32])
def test_any_number_of_failures_has_a_pause(failures: int) -> None:
    assert backoff(failures, first=1e-300, longest=30.0, uniform=greatest) <= 30.0
    assert backoff(failures, first=0.1, longest=30.0, uniform=greatest) == 30.0
