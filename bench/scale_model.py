"""How far a fleet of namespaces grows beyond what one machine can show: a model with measured costs as parameters.

    python -m bench.scale_model [--server-us 130] [--client-us 900] [--trip-us 500] [--trips 3] [--cores 16]

The model is a closed network of queues. A number of steps is in flight. Each needs the one thread of a primary for
`server` microseconds, a core of the workers for `client` microseconds, and travels over the network for `trips`
round trips of `trip` microseconds, in which it holds up no other. Its throughput and response time follow exactly by
mean value analysis (Reiser and Lavenberg): with n steps in flight, a step that arrives at a queue finds it as it is on
average with n - 1. Cores of workers are queues of their own among which steps are spread evenly, which is a little
worse than one queue for all.

Primaries have shares of the load. Even shares are the best case; `uneven` throws namespaces at primaries at random, as
names do that are not chosen, and tells what the busiest primary has. That share bounds the whole: when its thread is
busy all the time, the fleet does not grow any more.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean


@dataclass(frozen=True)
class Costs:
    """What a step costs, in microseconds; `trips` are its round trips, each of `trip` microseconds."""

    server: float
    client: float
    trips: float
    trip: float

    @property
    def travel(self) -> float:
        """How long a step is on its way, in microseconds."""
        return self.trips * self.trip


@dataclass(frozen=True)
class Fleet:
    """What the model says of a fleet: steps a second, microseconds that a step takes, and which part is how busy."""

    throughput: float
    response: float
    busy_server: float
    busy_client: float

    @property
    def limit(self) -> str:
        """Which part keeps it from doing more; `steps in flight` if none is busy nearly all the time."""
        most = max(self.busy_server, self.busy_client)
        if most < 0.9:
            return "steps in flight"
        return "servers" if self.busy_server >= self.busy_client else "workers"


def solved(costs: Costs, shares: Sequence[float], cores: int, in_flight: int) -> Fleet:
    """The throughput with so many steps in flight; `shares` are the parts of the load of the primaries."""
    demands = [costs.server * share for share in shares] + [costs.client / cores] * cores
    waiting = [0.0] * len(demands)
    throughput = response = 0.0
    for number in range(1, in_flight + 1):
        times = [demand * (1.0 + queue) for demand, queue in zip(demands, waiting, strict=True)]
        response = sum(times) + costs.travel
        throughput = number / response
        waiting = [throughput * time for time in times]
    return Fleet(throughput * 1e6, response, throughput * max(demands[: len(shares)]), throughput * demands[-1])


def even(primaries: int) -> list[float]:
    """The shares of primaries that have the same."""
    return [1.0 / primaries] * primaries


def uneven(primaries: int, namespaces: int, seed: int = 1, trials: int = 200) -> float:
    """The share of the busiest primary if each namespace has the same load and lies anywhere, on average."""
    dice = random.Random(seed)

    def busiest() -> int:
        return max(Counter(dice.randrange(primaries) for _ in range(namespaces)).values())

    return mean(busiest() for _ in range(trials)) / namespaces


def costs_of(report: dict[str, dict[str, dict[str, float]]], trip: float) -> Costs:
    """The costs that `bench/scale.py` has measured, with the most primaries."""
    steps = report["steps"]
    largest = steps[max(steps, key=int)]
    return Costs(largest["server"], largest["client"], largest["scripts"], trip)


def table(costs: Costs, cores_each: int, in_flight_each: int) -> list[dict[str, float | str]]:
    """What the model says of fleets that grow in all parts: cores of workers and steps in flight for each primary."""
    rows: list[dict[str, float | str]] = []
    for primaries in (1, 2, 3, 6, 12, 24, 48):
        fleet = solved(costs, even(primaries), cores_each * primaries, in_flight_each * primaries)
        rows.append(
            {
                "primaries": primaries,
                "steps_per_second": round(fleet.throughput),
                "response_ms": round(fleet.response / 1000, 2),
                "busy_server": round(fleet.busy_server, 2),
                "busy_client": round(fleet.busy_client, 2),
                "limit": fleet.limit,
            }
        )
    return rows


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="the JSON of bench/scale.py, instead of the three costs")
    parser.add_argument("--server-us", type=float, default=130.0)
    parser.add_argument("--client-us", type=float, default=900.0)
    parser.add_argument("--trips", type=float, default=3.0, help="round trips of a step")
    parser.add_argument("--trip-us", type=float, default=500.0, help="one round trip between hosts")
    parser.add_argument("--cores", type=int, default=8, help="cores of workers for each primary")
    parser.add_argument("--in-flight", type=int, default=64, help="steps in flight for each primary")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    """Print the table for people, and as JSON."""
    costs = Costs(options.server_us, options.client_us, options.trips, options.trip_us)
    if options.report is not None:
        costs = costs_of(json.loads(options.report.read_text(encoding="utf-8")), options.trip_us)
    rows = table(costs, options.cores, options.in_flight)
    print(
        f"{costs}: one primary can do {1e6 / costs.server:,.0f} steps/s, one core {1e6 / costs.client:,.0f}",
        file=sys.stderr,
    )
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()), file=sys.stderr)
    shares = {
        f"{namespaces} on {primaries}": round(uneven(primaries, namespaces) * primaries, 2)
        for primaries in (3, 6, 12)
        for namespaces in (primaries, 4 * primaries, 16 * primaries)
    }
    for what, times in shares.items():
        print(f"{what} primaries, names not chosen: the busiest has {times} times its equal share", file=sys.stderr)
    print(json.dumps({"rows": rows, "busiest": shares}))


if __name__ == "__main__":
    main(parsed())
