"""What `redis-mob doctor` says: lines for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

from rich.console import Console
from rich.text import Text

from redis_mob.admin.doctor.examination import Examination
from redis_mob.admin.doctor.finding import Finding, Severity
from redis_mob.cli.console import printable
from redis_mob.cli.growth import growth_lines, growth_object
from redis_mob.models.base import json_text

_STYLES = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.NOTE: "cyan",
    Severity.OK: "green",
}
_BY_SEVERITY = list(Severity)
_INDENT = " " * (max(map(len, Severity)) + 1)


def is_healthy(examination: Examination, *, strict: bool) -> bool:
    """Whether nothing is wrong: no errors, and no warnings either if they are to count."""
    return not examination.count(Severity.ERROR) and not (strict and examination.count(Severity.WARNING))


def as_json(examination: Examination) -> str:
    """One JSON object on one line."""
    return json_text(
        {
            "server": examination.server,
            "namespace": examination.namespace,
            "durability": examination.durability,
            "errors": examination.count(Severity.ERROR),
            "warnings": examination.count(Severity.WARNING),
            "findings": [asdict(finding) for finding in examination.findings],
            "growth": None if examination.growth is None else growth_object(examination.growth),
        }
    )


def as_text(examination: Examination, *, coloured: bool) -> str:
    """Lines for people: for each server what was found, the worst first; what grows; how many errors and warnings."""
    console = Console(force_terminal=coloured, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for server, found in groupby(examination.findings, key=lambda finding: finding.server):
            console.print(Text(printable(server), style="bold"))
            for finding in sorted(found, key=lambda finding: _BY_SEVERITY.index(finding.severity)):
                for line in _lines(finding):
                    console.print(line)
        if examination.growth is not None:
            for line in growth_lines(examination.growth, examination.namespace, console.width if coloured else None):
                console.print(Text(line))
        console.print(_counted(examination))
    return captured.get().rstrip("\n")


def _lines(finding: Finding) -> Iterator[Text]:
    severity = Text(f"{finding.severity:{len(_INDENT)}}", style=_STYLES[finding.severity])
    yield severity + Text(printable(f"{finding.check}: {finding.found}"))
    if finding.severity in (Severity.ERROR, Severity.WARNING):
        yield Text(f"{_INDENT}{finding.matters}", style="dim")
    if finding.change:
        yield Text(f"{_INDENT}-> {printable(finding.change)}")


def _counted(examination: Examination) -> str:
    errors, warnings = examination.count(Severity.ERROR), examination.count(Severity.WARNING)
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
