"""The conformance cases of the flow engine: each one is a test of this package, or has a reason why not."""

from __future__ import annotations

import re
from pathlib import Path

CASES = 67

NOT_HERE = {
    4: "the fleet stops no mob (decision 43)",
    17: "a fleet's members have no state of their own: a worker that is gone loses its leases",
    24: "the budget of orphaned turns is not bounded yet",
    25: "the budget of orphaned turns is not bounded yet",
    28: "of turn-driven members: a handler's value is taken as it is, structured or not",
    30: "of turn-driven members: handlers have no extraction to wait for",
    36: "of turn-driven members: handlers get no tools from the engine",
    37: "of autonomous members: handlers get no tools from the engine",
    38: "of autonomous members: handlers are called, nothing is injected into them",
    39: "of external members: there is a handler or there is none, which start refuses",
    58: "the fleet stops, completes and destroys no mob (decision 43)",
    62: "the supervisor is not told yet (decision 40)",
    63: "the supervisor is not told yet (decision 40)",
    64: "the supervisor is not told yet (decision 40)",
}


def test_every_case_is_tested_or_explained() -> None:
    sources = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]
    tested = {int(number) for source in sources for number in re.findall(r"def test_engine_case_(\d\d)_", source)}
    assert tested | NOT_HERE.keys() == set(range(1, CASES + 1))
    assert not tested & NOT_HERE.keys()
