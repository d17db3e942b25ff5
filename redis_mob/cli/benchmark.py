"""What `redis-mob bench` does: measures, writes what it was told to write, and compares with a stored report."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.console import Console

from redis_mob.bench import (
    Group,
    Loss,
    Report,
    Sizes,
    chosen,
    losses,
    measure,
    read_report,
    suite,
    to_markdown,
    to_text,
    write_plots,
)
from redis_mob.bench.check import common
from redis_mob.bench.output import require_plots
from redis_mob.cli.endings import say
from redis_mob.connection.calls.durability import Durability
from redis_mob.errors import ValidationError

LONGEST = 3600.0
MOST_ROUNDS = 1000

ATTEMPTS = 3
"""How often what looks like a loss is measured: one that does not show itself again was noise."""

PEERS = "bench.peers.groups"
"""The module of a checkout that has the groups of the peers; they are no part of the package."""


@dataclass(frozen=True)
class Order:
    """What was asked for. Raises ValidationError for what cannot be done, before anything is measured."""

    url: str
    names: Sequence[str]
    seconds: float
    rounds: int
    large: bool
    peers: bool
    durability: str
    json: Path | None
    markdown: Path | None
    plots: Path | None
    against: Path | None

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST:
            raise ValidationError(f"--seconds {self.seconds:g}: give a number above 0, up to {LONGEST:g}")
        if not 1 <= self.rounds <= MOST_ROUNDS:
            raise ValidationError(f"--rounds {self.rounds}: give a number from 1 to {MOST_ROUNDS}")
        for option, file in (("--json", self.json), ("--markdown", self.markdown)):
            if file is not None and not file.parent.is_dir():
                raise ValidationError(f"{option} {file}: there is no directory {file.parent}")
        if self.plots is not None:
            require_plots()
        Durability.parse(self.durability)


def carry_out(order: Order, console: Console) -> tuple[str, list[Loss]]:
    """Measure, and write the files; returns the tables, and what is slower than the stored report."""
    groups = chosen(_all_groups(order), order.names)
    stored = None if order.against is None else read_report(order.against)
    report = _measured(order, groups, console)
    _write(order, report)
    return to_text(report), [] if stored is None else _confirmed(order, stored, report, console)


def _write(order: Order, report: Report) -> None:
    drawn = [] if order.plots is None else write_plots(report, order.plots)
    if order.json is not None:
        order.json.write_text(report.to_json(), encoding="utf-8")
    if order.markdown is not None:
        beside = [_from(order.markdown.parent, file) for file in drawn]
        order.markdown.write_text(to_markdown(report, beside), encoding="utf-8")


def _measured(order: Order, groups: Sequence[Group], console: Console) -> Report:
    async def measured() -> Report:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(
            measure(
                order.url,
                groups,
                seconds=order.seconds,
                rounds=order.rounds,
                durability=order.durability,
                told=lambda line: say(console, line),
            )
        )
        # as Ctrl-C does, so that the namespaces are removed
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        finally:
            loop.remove_signal_handler(signal.SIGTERM)

    return asyncio.run(measured())


def _confirmed(order: Order, stored: Report, report: Report, console: Console) -> list[Loss]:
    """The losses that show themselves each time that their groups are measured."""
    if not common(stored, report):
        raise ValidationError(f"--against {order.against}: it has no ratio of what was measured")
    found = losses(stored, report)
    for _ in range(ATTEMPTS - 1):
        if not found:
            break
        names = list(dict.fromkeys(loss.group for loss in found))
        say(console, f"measured again, since it looks slower: {', '.join(names)}")
        again = losses(stored, _measured(order, chosen(_all_groups(order), names), console))
        keys = {(loss.group, loss.scenario, loss.compared_with) for loss in found}
        found = [loss for loss in again if (loss.group, loss.scenario, loss.compared_with) in keys]
    return found


def _all_groups(order: Order) -> list[Group]:
    """The groups of this package, and with `peers` those of the checkout that the command is run in."""
    groups = suite(Sizes().large() if order.large else None)
    if not order.peers:
        return groups
    # an installed command does not look for modules where it is called
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(PEERS)
    except ImportError as error:
        raise ValidationError(f"--peers: {error}: peers are measured in a checkout, see docs/benchmarks.md") from None
    finally:
        sys.path.pop(0)
    return [*groups, *module.groups()]


def _from(directory: Path, file: Path) -> str:
    """The file as a page in a directory links to it."""
    try:
        return file.resolve().relative_to(directory.resolve()).as_posix()
    except ValueError:
        return file.resolve().as_posix()
