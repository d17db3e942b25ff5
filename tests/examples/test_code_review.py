"""The roles of the code review on a small tree, and its definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import redis_mob
from examples.code_review import handlers
from examples.code_review.handlers import HANDLERS, MOST_FINDINGS, ROUNDS, VOTES_NEEDED, Settings
from examples.code_review.lenses import LENSES
from redis_mob import StepFailed
from redis_mob.kernel.validation import validate
from redis_mob.models.definition import MobDefinition
from redis_mob.testing import step_context

FILE = Path(handlers.__file__).with_name("code_review.toml")

TREE = {
    "busy.py": '"""Busy."""\ndef busy(x):\n    """Busy."""\n' + "    if x: pass\n" * 30,
    "loaded.py": '"""Loaded."""\nimport json\nfrom os import *\n',
    "pkg/silent.py": "def one(): pass\ndef two(): pass\n",
    "broken.py": "def broken(:\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for path, source in TREE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(source)
    return root


class Review:
    """Runs the steps by hand, in the order of the flow; outputs pass through JSON as they do in a store."""

    def __init__(self, root: Path, **params: object) -> None:
        self.params: dict[str, Any] = {"path": str(root), "report": str(root.parent / "review.md"), **params}
        self.outputs: dict[str, Any] = {}

    def call(self, role: str, number: int = 1) -> Any:
        context = step_context(params=self.params, outputs=self.outputs, role=role, member=f"{role}-{number}")
        return json.loads(json.dumps(HANDLERS[role](context)))

    def look(self, reviewers: int = 3) -> None:
        self.outputs["inventory"] = self.call("inventory")
        self.outputs["review"] = {f"reviewer-{n}": self.call("reviewer", n) for n in range(1, reviewers + 1)}

    def vote(self, *judges: int) -> None:
        self.outputs["vote"] = {f"judge-{n}": self.call("judge", n) for n in judges}

    def narrow(self) -> list[int]:
        left: list[int] = []
        while not left or not self.outputs["narrow"]["done"]:
            self.outputs["narrow"] = self.call("editor")
            left.append(self.outputs["narrow"]["left"])
        return left

    def report(self) -> str:
        written = self.call("writer")
        assert written["findings"] == self.outputs["narrow"]["left"]
        return Path(written["report"]).read_text()

    def whole(self) -> str:
        self.look()
        self.vote(1, 2)
        self.narrow()
        return self.report()


def test_the_definition_is_valid_and_agrees_with_the_handlers() -> None:
    definition = MobDefinition.from_toml(FILE.read_text())
    assert validate(definition) == ()
    flow = definition.flows["review"]
    assert set(definition.profiles) == set(HANDLERS) == {step.role for step in flow.steps.values()}
    written = flow.model_dump(mode="json")
    assert written["root"]["nodes"]["narrowing"]["max_iterations"] == len(ROUNDS)
    assert written["steps"]["vote"]["collection_policy"] == {"type": "quorum", "n": VOTES_NEEDED}


def test_inventory_lists_what_can_be_reviewed_and_what_cannot(tree: Path) -> None:
    assert Review(tree).call("inventory") == {
        "count": 3,
        "files": ["busy.py", "loaded.py", "pkg/silent.py"],
        "unreadable": [{"path": "broken.py", "reason": "line 1: invalid syntax"}],
    }


def test_inventory_survives_a_name_that_is_not_utf8(tree: Path) -> None:
    (tree / "odd\udcff.py").touch()
    stock = Review(tree).call("inventory")
    assert stock["count"] == 3
    assert {"path": "odd\N{REPLACEMENT CHARACTER}.py", "reason": "the name is not UTF-8"} in stock["unreadable"]


def test_every_reviewer_has_a_lens_of_its_own(tree: Path) -> None:
    review = Review(tree)
    review.look()
    found = {result["lens"]: result["found"] for result in review.outputs["review"].values()}
    assert found == {"complexity": 1, "documentation": 3, "imports": 2}
    assert list(found) == list(LENSES)
    assert review.call("reviewer", 4) == review.outputs["review"]["reviewer-1"]


def test_a_reviewer_without_a_number_says_so(tree: Path) -> None:
    review = Review(tree)
    context = step_context(params=review.params, member="alice")
    with pytest.raises(StepFailed, match="'alice' has no number"):
        HANDLERS["reviewer"](context)


def test_a_reviewer_reports_the_worst_up_to_a_bound(tree: Path) -> None:
    (tree / "huge.py").write_text("".join(f"def f{n}(): pass\n" for n in range(MOST_FINDINGS + 100)))
    review = Review(tree)
    review.look()
    documentation = review.outputs["review"]["reviewer-2"]
    assert documentation["found"] == MOST_FINDINGS + 104
    assert len(documentation["findings"]) == MOST_FINDINGS


def test_only_what_two_judges_find_again_stands(tree: Path) -> None:
    review = Review(tree)
    review.look()
    first = review.call("judge")
    (tree / "loaded.py").write_text('"""Repaired meanwhile."""\n')
    second = review.call("judge", 2)
    review.outputs["vote"] = {"judge-1": first, "judge-2": second}
    review.narrow()
    assert len(first["confirmed"]) == 6
    assert {finding["path"] for finding in review.outputs["narrow"]["findings"]} == {"busy.py", "pkg/silent.py"}


def test_it_does_not_matter_which_judges_were_first(tree: Path) -> None:
    reports: set[str] = set()
    for judges in ((1, 2), (3, 1), (2, 3)):
        review = Review(tree)
        review.look()
        review.vote(*judges)
        review.narrow()
        reports.add(review.report())
    assert len(reports) == 1


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        pytest.param(6, [6], id="enough-at-once"),
        pytest.param(5, [6, 3], id="medium-and-high"),
        pytest.param(2, [6, 3, 2], id="high-only"),
        pytest.param(1, [6, 3, 2, 1], id="rounds-used-up"),
    ],
)
def test_narrowing_raises_the_bar_until_few_enough_are_left(tree: Path, limit: int, left: list[int]) -> None:
    review = Review(tree, limit=limit)
    review.look()
    review.vote(1, 2)
    assert review.narrow() == left
    assert [step["left"] for step in review.outputs["narrow"]["rounds"]] == left


def test_the_report(tree: Path) -> None:
    assert Review(tree, limit=3).whole() == (
        "# Code review of `project`\n\n"
        "3 Python files reviewed: 6 findings, 6 put to the vote, 6 confirmed by at least 2 judges, 3 kept.\n\n"
        "| lens | found | kept |\n| --- | --- | --- |\n"
        "| complexity | 1 | 1 |\n| documentation | 3 | 0 |\n| imports | 2 | 2 |\n\n"
        "## Findings\n\n"
        "| severity | where | lens | what |\n| --- | --- | --- | --- |\n"
        "| high | `busy.py:2` | complexity | busy has 31 independent paths, more than 10 |\n"
        "| high | `loaded.py:3` | imports | `from os import *` hides where names come from |\n"
        "| medium | `loaded.py:2` | imports | `import json` is never used |\n\n"
        "## Rounds of narrowing\n\n"
        "| round | keeps | findings left |\n| --- | --- | --- |\n"
        "| 1 | everything | 6 |\n| 2 | medium and high | 3 |\n\n"
        "## Not reviewed\n\n"
        "| file | reason |\n| --- | --- |\n| `broken.py` | line 1: invalid syntax |\n"
    )


def test_the_report_of_an_empty_tree(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    text = Review(root).whole()
    assert "0 Python files reviewed: 0 findings" in text
    assert "## Findings\n\nNone.\n" in text


def test_the_report_names_lenses_that_no_member_applied(tree: Path) -> None:
    review = Review(tree)
    review.look(reviewers=2)
    review.vote(1, 2)
    review.narrow()
    assert "| imports | not applied: too few reviewers | 0 |" in review.report()


def test_the_report_escapes_what_would_break_its_tables() -> None:
    assert handlers.table(("a", "b"), [("x|y", "1\n2")]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 2 |"
    assert handlers.code("a`b") == "`a'b`"


def test_the_report_replaces_an_older_one_and_leaves_nothing_else(tree: Path) -> None:
    report = tree.parent / "review.md"
    report.write_text("old")
    with report.open() as reader:
        Review(tree).whole()
        assert reader.read() == "old", "the old report was written over instead of replaced"
    assert report.read_text().startswith("# Code review")
    assert sorted(path.name for path in tree.parent.iterdir()) == ["project", "review.md"]


@pytest.mark.parametrize("report", ["missing/review.md", "project", "project/busy.py/review.md"])
def test_a_report_that_cannot_be_written_is_an_error_without_remains(tree: Path, report: str) -> None:
    review = Review(tree, report=str(tree.parent / report))
    with pytest.raises(StepFailed, match="cannot write the report"):
        review.whole()
    assert [path.name for path in tree.parent.iterdir()] == ["project"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path": "no/such/tree"}, "path must name a directory, not 'no/such/tree'"),
        ({"path": 7}, "path must name a directory, not 7"),
        ({"report": "/"}, "report must name a file, not '/'"),
        ({"report": None}, "report must name a file, not None"),
        ({"limit": 0}, "limit must be a whole number from 1, not 0"),
        ({"limit": True}, "limit must be a whole number from 1, not True"),
        ({"limit": "ten"}, "limit must be a whole number from 1, not 'ten'"),
    ],
)
def test_a_bad_parameter_is_named(params: dict[str, Any], message: str) -> None:
    with pytest.raises(StepFailed, match=message):
        Settings.of(params)


def test_without_parameters_this_package_is_reviewed() -> None:
    assert Settings.of({}) == Settings(Path(redis_mob.__file__).parent, Path("review.md"), 20)
