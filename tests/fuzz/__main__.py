"""`python -m tests.fuzz`: runs random inputs, prints what came of them, and ends with 1 if something was found."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

from tests.fuzz.drivers import at_random, with_atheris, with_hypothesis
from tests.fuzz.running import Figures
from tests.fuzz.targets import TARGETS

DRIVERS = {"hypothesis": with_hypothesis, "random": at_random}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each target")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="all of them without this option")
    parser.add_argument("--engine", choices=(*DRIVERS, "atheris"), default="hypothesis")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument(
        "--findings", type=Path, default=Path(".fuzz"), help="the folder for inputs that find something"
    )
    parser.add_argument("--input", type=Path, help="run the input of this file alone, and let its error be seen")
    given = parser.parse_args()
    names = given.target or sorted(TARGETS)
    print(f"seed {given.seed}", file=sys.stderr)
    if given.input is not None:
        for name in names:
            with TARGETS[name]() as run:
                print(f"{name}: {run(given.input.read_bytes())}")
        return 0
    found = 0
    for name in names:
        began = time.monotonic()

        def end(figures: Figures, name: str = name, began: float = began) -> None:
            told = {"target": name, "engine": given.engine, "seed": given.seed, **figures.told()}
            print(json.dumps({**told, "seconds": round(time.monotonic() - began, 1)}), flush=True)

        with TARGETS[name]() as run:
            if given.engine == "atheris":
                if len(names) > 1:
                    parser.error("atheris runs one target in a process: name it with --target")

                def end_all(figures: Figures, end: object = end) -> None:
                    end(figures)  # pyright: ignore[reportCallIssue]
                    sys.stdout.flush()
                    os._exit(1 if figures.findings else 0)

                with_atheris(name, run, given.inputs, given.seed, given.findings, end_all)
            figures = DRIVERS[given.engine](name, run, given.inputs, given.seed, given.findings)
        end(figures)
        found += len(figures.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
