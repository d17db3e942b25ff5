"""How far a fleet of namespaces grows: the model is what its arithmetic says, and the measurement runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scale import Cost, summed_up
from bench.scale_model import Costs, costs_of, even, solved, uneven

ROOT = Path(__file__).resolve().parent.parent.parent
COSTS = Costs(server=200.0, client=1000.0, trips=2.0, trip=500.0)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 200))
def test_no_part_does_more_than_it_can(primaries: int, cores: int, in_flight: int) -> None:
    fleet = solved(COSTS, even(primaries), cores, in_flight)
    alone = COSTS.server + COSTS.client + COSTS.travel
    assert fleet.throughput <= min(primaries / COSTS.server, cores / COSTS.client, in_flight / alone) * 1e6 * 1.000001
    assert max(fleet.busy_server, fleet.busy_client) <= 1.000001
    assert fleet.throughput * fleet.response / 1e6 == pytest.approx(in_flight)  # Little's law


def test_one_step_in_flight_waits_for_nothing() -> None:
    assert solved(COSTS, even(3), 4, 1).response == pytest.approx(200 / 1 + 1000 + 1000)


def test_two_queues_that_are_alike_follow_the_formula_of_balanced_networks() -> None:
    # in a network of K queues of equal demand D and no delay, n jobs have a throughput of n / (D (n + K - 1))
    costs = Costs(server=300.0, client=300.0, trips=0.0, trip=0.0)
    assert solved(costs, even(1), 1, 7).throughput == pytest.approx(7 / (300 * 8) * 1e6)


def test_what_limits_a_fleet_is_named() -> None:
    assert solved(COSTS, even(2), 100, 500).limit == "servers"
    assert solved(COSTS, even(2), 2, 500).limit == "workers"
    assert solved(COSTS, even(8), 80, 8).limit == "steps in flight"


def test_the_busiest_primary_bounds_the_whole() -> None:
    fleet = solved(COSTS, [0.5, *[0.1] * 5], 100, 2000)
    assert fleet.throughput == pytest.approx(1e6 / (200 * 0.5), rel=0.01)


def test_names_that_are_not_chosen_are_uneven_and_more_of_them_less_so() -> None:
    few, many = uneven(6, 6) * 6, uneven(6, 600) * 6
    assert 2.0 < few < 3.0
    assert 1.0 <= many < 1.3
    assert uneven(1, 10) == 1.0


def test_ratios_are_made_within_a_round() -> None:
    def rounds(*server: float) -> list[Cost]:
        return [Cost(one, 10.0, 1.0, 5.0, 100.0) for one in server]

    found = summed_up({1: rounds(1.0, 10.0, 100.0), 6: rounds(1.1, 11.0, 110.0)})
    assert found[6]["server_ratio"] == pytest.approx(1.1)
    assert found[1]["server_ratio"] == found[6]["client_ratio"] == 1.0
    assert found[6]["server"] == 11.0


def test_a_short_run_prints_what_the_model_takes() -> None:
    command = [sys.executable, "-m", "bench.scale", "--primaries", "1", "--rounds", "1", "--runs", "1"]
    ended = subprocess.run(
        [*command, "--transitions", "16"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    report = json.loads(ended.stdout)
    costs = costs_of(report, trip=500.0)
    assert costs.server > 0
    assert costs.client > 0
    assert report["transitions"]["1"]["scripts"] == pytest.approx(1.0, abs=0.5)
