"""What a program says in the end: figures for people and for machines, and whether a guarantee was broken."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

_WIDTH = 64
"""Columns before a figure."""


class BrokenError(Exception):
    """A guarantee does not hold; the text says what was seen."""


@dataclass
class Report:
    """The figures of one run of a program, and what it found to be broken."""

    program: str
    seed: int
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    broken: list[str] = field(default_factory=list[str])

    def show(self) -> None:
        """Lines for people on stderr, one JSON object on stdout."""
        _show(self.figures)
        for text in self.broken:
            print(f"BROKEN {text}", file=sys.stderr)
        print("every guarantee held" if not self.broken else f"{len(self.broken)} broken", file=sys.stderr)
        print(json.dumps({"program": self.program, "seed": self.seed, **self.figures, "broken": self.broken}))


def _show(figures: Mapping[str, Any], indent: str = "") -> None:
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            print(f"{indent}{name}:", file=sys.stderr)
            _show(cast("Mapping[str, Any]", figure), f"{indent}  ")
        else:
            print(f"{indent}{name:<{_WIDTH - len(indent)}}{figure:>10}", file=sys.stderr)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that all programs have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    return made


def run_program(
    options: argparse.Namespace, program: Callable[[argparse.Namespace], Coroutine[Any, Any, Report]]
) -> None:
    """Say the seed, run a program, show its report, and exit with 1 if a guarantee is broken."""
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    logging.disable()  # of interruptions, which are wanted here
    report = asyncio.run(program(options))
    report.show()
    sys.exit(bool(report.broken))
