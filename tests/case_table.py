"""Where each numbered case of the two contracts is shown: the table in docs/cases.md.

`python -m tests.case_table` writes the table again from the tests as they are; a test fails while it is not up to date.
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

_CASE = re.compile(r"(?<![a-z])(?:config_case_\d\d|case_\d{3})(?!\d)")
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
    """The page with the places of all its cases as they are now."""
    suite, beside = cases_of(SUITE), cases_of(TESTS)

    def row(match: re.Match[str]) -> str:
        case = match["case"]
        return f"| `{case}` | {match['what']} | {', '.join(suite[case])} | {', '.join(beside[case])} |"

    return _ROW.sub(row, text)


def listed_cases(text: str) -> Iterator[str]:
    """The cases that have a row."""
    return (match["case"] for match in _ROW.finditer(text))


if __name__ == "__main__":
    TABLE.write_text(rewritten(TABLE.read_text(encoding="utf-8")), encoding="utf-8")
