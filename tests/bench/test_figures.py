"""What repeated measurements come to."""

from __future__ import annotations

import random
from statistics import median

import pytest

from redis_mob.bench.figures import median_interval, percentile, ratios, spread


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.99, 3.97), (1.0, 4.0)])
def test_a_percentile_lies_between_its_neighbours(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == pytest.approx(value)


def test_of_one_value_every_percentile_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_the_spread_is_the_width_of_the_middle_half_and_ignores_an_outlier() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4000.0]) == 3.0


SIGN_TEST = [(1, 1, 1), (5, 1, 5), (6, 1, 6), (9, 2, 8), (10, 2, 9), (20, 6, 15)]


@pytest.mark.parametrize(("number", "low", "high"), SIGN_TEST)
def test_the_interval_is_made_of_the_order_statistics_that_tables_of_the_sign_test_name(
    number: int, low: int, high: int
) -> None:
    values = [float(value) for value in range(number, 0, -1)]
    assert median_interval(values) == (median(values), low, high)


def test_the_interval_encloses_the_true_median_about_as_often_as_it_says() -> None:
    dice = random.Random(1)
    samples = [median_interval([dice.expovariate(1.0) for _ in range(10)]) for _ in range(2000)]
    true = 0.6931  # ln 2
    assert sum(low <= true <= high for _, low, high in samples) / len(samples) > 0.95


def test_ratios_are_made_round_by_round_so_that_a_slow_round_cancels_out() -> None:
    assert ratios([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == [2.0, 2.0, 2.0]


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratios([1.0, 2.0], [0.0, 1.0]) == [2.0]
