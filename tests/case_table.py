"""Where each numbered case of the contracts is shown: the tables in docs/cases.md.

`python -m tests.case_table` writes the tables again from the tests as they are; a test fails while they are not up to
date.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "cases.md"
SUITE = ROOT / "redis_mob" / "testing" / "conformance"
TESTS = ROOT / "tests"

STORE_CASES = {f"case_{number:03}" for number in range(1, 141)}
CONFIG_CASES = {f"config_case_{number:02}" for number in range(1, 53)}
ENGINE_CASES = {f"engine_case_{number:02}" for number in range(1, 68)}
HOST_CASES = {f"host_case_{number:02}" for number in range(1, 27)}

NOT_SHOWN = {
    "engine_case_04": "the fleet stops no mob (contract: engine-34)",
    "engine_case_17": "members have no state of their own: a worker that is gone loses its leases",
    "engine_case_28": "of turn-driven members: a handler's value is taken as it is, structured or not",
    "engine_case_30": "of turn-driven members: handlers have no extraction to wait for",
    "engine_case_36": "of turn-driven members: handlers get no tools from the engine",
    "engine_case_37": "of autonomous members: handlers get no tools from the engine",
    "engine_case_38": "of autonomous members: handlers are called, nothing is injected into them",
    "engine_case_39": "of external members: there is a handler or there is none, which start refuses",
    "engine_case_58": "the fleet stops, completes and destroys no mob (contract: engine-34)",
}
"""Cases of the engine that no test shows, and why."""

_CASE = re.compile(r"(?<![a-z])(?:config_case_\d\d|engine_case_\d\d|host_case_\d\d|case_\d{3})(?!\d)")
_ROW = re.compile(r"^\| `(?P<case>\w+)` \| (?P<what>[^|]+) \| [^|]* \| [^|]* \|$", re.MULTILINE)


def cases_of(folder: Path) -> Mapping[str, list[str]]:
    """The files of a folder that name a case in the id of a test, by case."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(folder.rglob("*.py")):
        if file.name != Path(__file__).name:
            for case in sorted(set(_CASE.findall(file.read_text(encoding="utf-8")))):
                found[case].append(file.relative_to(folder).as_posix().removesuffix(".py"))
    return found


def rewritten(text: str) -> str:
    """The page with the files of all its cases as they are now."""
    suite, beside = cases_of(SUITE), cases_of(TESTS)

    def row(match: re.Match[str]) -> str:
        case = match["case"]
        third = NOT_SHOWN.get(case, "") if case in ENGINE_CASES else ", ".join(suite[case])
        return f"| `{case}` | {match['what']} | {third} | {', '.join(beside[case])} |"

    return _ROW.sub(row, text)


def listed_cases(text: str) -> Iterator[str]:
    """The cases that have a row."""
    return (match["case"] for match in _ROW.finditer(text))


if __name__ == "__main__":
    TABLE.write_text(rewritten(TABLE.read_text(encoding="utf-8")), encoding="utf-8")
