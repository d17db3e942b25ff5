"""The command: simulates the flows of many seeds, or repeats the simulation of one.

`python -m redis_mob.testing.simulation --seeds 10000 --from 0` prints one JSON object about all of them; what seeds
break is told on stderr, each with its smallest schedule, and then the status is 1. `--seed N` does so for one seed, and
`--only` carries out a part of its decisions, as such a schedule names them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

from redis_mob.testing.simulation.decisions import Disturb
from redis_mob.testing.simulation.plans import Plan
from redis_mob.testing.simulation.seeds import generated_plan, simulate_plan
from redis_mob.testing.simulation.telling import COMMAND, failure_text, schedule_lines

TOLD_EVERY = 500
"""After so many seeds it is told on stderr how far it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the status of the command."""
    given = _parser().parse_args(arguments)
    if given.seed is not None:
        return _one(given.seed, given.only)
    return _many(range(given.first, given.first + given.seeds), given.most_failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Simulate fleets, driven by seeds alone.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds (default: 1000)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--most-failures", type=int, default=3, help="stop after so many (default: 3)")
    parser.add_argument("--seed", type=int, help="simulate this one alone, and print its schedule and its trace")
    parser.add_argument("--only", help="the numbers of the decisions of that seed to carry out, as in 0,3,17")
    return parser


def _one(seed: int, only: str | None) -> int:
    plan = generated_plan(seed)
    if only is None:
        outcome = simulate_plan(plan)
        if outcome.violations:
            print(_failure(plan))
            return 1
        indices = tuple(range(len(plan.decisions)))
    else:
        indices = tuple(sorted({int(number) for number in only.split(",") if number}))
        outcome = simulate_plan(plan.only(set(indices)))
    print(f"seed {seed}:", *schedule_lines(plan, indices), *outcome.lines, sep="\n")
    print(f"digest {outcome.digest}")
    for violation in outcome.violations:
        print(f"broken: {violation}")
    return 1 if outcome.violations else 0


def _failure(plan: Plan) -> str:
    return failure_text(plan, simulate_plan, lambda only: f"{COMMAND} --seed {plan.seed} --only {only}")


def _many(seeds: range, most_failures: int) -> int:
    began, failures, counts = time.process_time(), list[int](), Counter[str]()
    for number, seed in enumerate(seeds, 1):
        plan = generated_plan(seed)
        outcome = simulate_plan(plan)
        counts.update(type(one).__name__.lower() for one in plan.decisions)
        counts.update(one.fault.name.lower() for one in plan.decisions if isinstance(one, Disturb))
        counts.update({"calls": outcome.calls, "turns": outcome.turns, "simulated_seconds": round(outcome.seconds)})
        counts["settled"] += plan.subject.is_settled
        if outcome.violations:
            failures.append(seed)
            print(_failure(plan), file=sys.stderr, flush=True)
        if number % TOLD_EVERY == 0:
            print(f"{number} of {len(seeds)} seeds, {len(failures)} failures", file=sys.stderr, flush=True)
        if len(failures) >= most_failures:
            break
    done = (seeds.index(failures[-1]) + 1) if len(failures) >= most_failures else len(seeds)
    per_thousand = (time.process_time() - began) / max(done, 1) * 1_000
    summary = {
        "seeds": done,
        "from": seeds.start,
        "violations": failures,
        "cpu_seconds_per_1000_seeds": round(per_thousand, 1),
        **dict(sorted(counts.items())),
    }
    print(json.dumps(summary, indent=2))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
