"""A pytest plugin that says which guarantees of the contracts each backend under test holds.

`pytest -p redis_mob.testing.plugin` prints them after the conformance suite has run; with `--guarantees FILE` they are
also written there, as JSON. Works with pytest-xdist.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_CASE = re.compile(r"(config_)?case_(\d+)")


@dataclass
class Findings:
    """What the tests of one guarantee found on one backend."""

    passed: int = 0
    cases: set[str] = field(default_factory=set[str])
    """The numbered cases that passed."""
    failed: list[str] = field(default_factory=list[str])
    """The ids of the tests that failed."""
    not_shown: set[str] = field(default_factory=set[str])
    """Why tests were skipped."""

    @property
    def verdict(self) -> str:
        """`holds`, `broken`, or `not shown` when no test could run."""
        if self.failed:
            return "broken"
        return "holds" if self.passed else "not shown"


class GuaranteeReport:
    """Collects what the suite finds, and tells it at the end."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._findings: defaultdict[str, defaultdict[str, Findings]] = defaultdict(lambda: defaultdict(Findings))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if "guarantee" not in told or (report.when != "call" and report.passed):
            return
        findings = self._findings[str(told["backend"])][str(told["guarantee"])]
        if report.failed:
            findings.failed.append(report.nodeid)
        elif report.skipped:
            findings.not_shown.add(_reason(report))
        else:
            findings.passed += 1
            findings.cases.update("".join(match) for match in _CASE.findall(report.nodeid))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for backend, guarantees in sorted(self._findings.items()):
            terminalreporter.section(f"guarantees of {backend}")
            for guarantee, findings in sorted(guarantees.items()):
                for line in _lines(guarantee, findings):
                    terminalreporter.write_line(line)
        if self._file is not None:
            self._file.write_text(json.dumps(self._as_json(), indent=2) + "\n", encoding="utf-8")

    def _as_json(self) -> dict[str, Any]:
        return {
            backend: {
                guarantee: {
                    "verdict": findings.verdict,
                    "passed": findings.passed,
                    "cases": sorted(findings.cases),
                    "failed": findings.failed,
                    "not_shown": sorted(findings.not_shown),
                }
                for guarantee, findings in guarantees.items()
            }
            for backend, guarantees in self._findings.items()
        }


def _lines(guarantee: str, findings: Findings) -> Iterator[str]:
    yield f"{findings.verdict:9}  {guarantee} ({findings.passed} passed)"
    for test in findings.failed:
        yield f"{'':9}    failed: {test}"
    for reason in sorted(findings.not_shown):
        yield f"{'':9}    {reason}"


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("redis_mob", "conformance of a backend")
    group.addoption("--guarantees", metavar="FILE", help="write the guarantees that each backend holds as JSON")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        file = config.getoption("--guarantees")
        config.pluginmanager.register(GuaranteeReport(Path(file) if file else None), "redis_mob-guarantees")
