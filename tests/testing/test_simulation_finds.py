"""Faults that are planted in the engine and in the store are found by the simulation, within 500 seeds."""

from __future__ import annotations

from itertools import chain

import pytest

from redis_mob.testing.simulation.seeds import simulate_seed
from tests.testing.planted import PLANTS, Plant

MOST_SEEDS = 500


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    known, broken = PLANTS[plant]
    assert simulate_seed(known).violations == ()
    plant(monkeypatch)
    seeds = chain([known], range(MOST_SEEDS))
    assert any(any(broken in one for one in simulate_seed(seed).violations) for seed in seeds)
