"""The page of bugs names tests and programs that exist."""

from __future__ import annotations

import re

from tests.project.checkout import ROOT, text_of

PAGE = text_of("tests/robustness/README.md")


def test_each_bug_has_a_test() -> None:
    bugs = re.findall(r"^\| .* \| .* \| `(tests/[\w/.]+)::(?:(\w+)::)?(\w+)` \|$", PAGE, re.MULTILINE)
    rows = PAGE.partition("| bug |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(bugs) == len(rows)
    for file, guarantee, test in bugs:
        names = text_of(file)
        if guarantee:  # the classes of the suite are imported there
            suite = sorted((ROOT / "redis_mob" / "testing" / "conformance").glob("*.py"))
            [names] = [
                text for module in suite if f"class {guarantee}(" in (text := module.read_text(encoding="utf-8"))
            ]
        assert re.search(rf"def {test}\(", names), f"{file} has no {test}"


def test_each_program_has_a_row() -> None:
    programs = {
        module.stem
        for module in (ROOT / "tests" / "robustness").glob("*.py")
        if "run_program(" in (text := module.read_text(encoding="utf-8")) and "def run_program" not in text
    }
    assert programs == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
