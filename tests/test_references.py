"""References lead somewhere: from code to the contract and the decisions, and between the pages of the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "docs" / "contract"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

FOLDERS = ("redis_mob", "lua", "examples", "docs", "tests", "bench", "website")
SUFFIXES = {".py", ".lua", ".toml", ".md"}
TEXTS = [*ROOT.glob("*.md"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
CODE = sorted(file for file in TEXTS if file.suffix in SUFFIXES and "data" not in file.parts)
SOURCES = [file for file in CODE if file.relative_to(ROOT).parts[0] in {"redis_mob", "lua", "website"}]

CITATION = re.compile(r"\bcontract: ((?:[a-z]+-\d+)(?:, [a-z]+-\d+)*)")
BROKEN = re.compile(r"\bcontract:\s*$|\bcontract: (?:[a-z]+-\d+, )*[a-z]+-\d+,$", re.MULTILINE)
DECISION = re.compile(r"\b[Dd]ecision (\d{4})\b")
OLD = re.compile(
    r"\b(?:store|config|engine) (?:contract|rules),? \d"
    r"|\bcontract \d|\brules \d|\bsections? \d|§"
    r"|(?-i:\bcolumn [A-Z]\b|\bSource: )"
    r"|\bdecisions? \d{1,3}\b(?!\d)|\[\d{1,2}\]\(\S*decisions"
    r"|(?<![`\w])(?:config )?cases \d+(?:-\d+|, \d| to \d| and \d|\))"
    r"|\(case \d+\)",
    re.IGNORECASE,
)
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def lines_with(pattern: re.Pattern[str], file: Path) -> Iterator[tuple[int, re.Match[str]]]:
    text = file.read_text(encoding="utf-8")
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match


def rules() -> list[str]:
    return [rule for page in sorted(CONTRACT.glob("*.md")) for rule in ANCHOR.findall(page.read_text(encoding="utf-8"))]


def anchors(page: Path) -> set[str]:
    """What may stand behind the # of a link to a page: anchors of its own, and its headings as GitHub spells them."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", text), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return slugs | set(ANCHOR.findall(text))


def test_the_id_of_a_rule_is_unique_and_names_it() -> None:
    ids = rules()
    assert len(set(ids)) == len(ids), sorted(rule for rule in set(ids) if ids.count(rule) > 1)
    for page in CONTRACT.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        named = re.findall(r'<a id="([^"]+)"></a>\*\*([^*]+)\*\*', text)
        assert [left for left, _ in named] == ANCHOR.findall(text), f"{name(page)}: an anchor without its id in bold"
        assert all(left == right for left, right in named), f"{name(page)}: an anchor beside another id"


def found(pattern: re.Pattern[str], files: list[Path] = CODE) -> Iterator[tuple[str, str]]:
    """Where a pattern matches, as `file:line`, with the text of its first group, or of the whole match."""
    for file in files:
        for line, match in lines_with(pattern, file):
            yield f"{name(file)}:{line}", match[match.lastindex or 0]


def test_every_citation_of_the_contract_leads_to_a_rule() -> None:
    known = set(rules())
    cited = [(where, rule) for where, listed in found(CITATION) for rule in listed.split(", ")]
    assert cited
    assert not [(where, rule) for where, rule in cited if rule not in known]


def test_a_citation_is_on_one_line_so_that_it_can_be_searched_for() -> None:
    assert not list(found(BROKEN))


def test_every_cited_decision_exists() -> None:
    known = {page.name[:4] for page in DECISIONS}
    assert not [(where, number) for where, number in found(DECISION) if number not in known]


def test_nothing_cites_what_a_reader_cannot_open() -> None:
    old = list(found(OLD, [file for file in CODE if file != Path(__file__)]))
    assert not old, "cite `contract: events-4` or `decision 0015` instead"


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_every_decision_is_cited_by_the_code_that_it_explains(page: Path) -> None:
    assert page.name[:4] in {number for _, number in found(DECISION, SOURCES)}, "no file of these folders cites it"


def test_every_page_of_the_contract_is_cited_by_code() -> None:
    cited = {rule for _, listed in found(CITATION, SOURCES) for rule in listed.split(", ")}
    assert {rule.rpartition("-")[0] for rule in rules()} == {rule.rpartition("-")[0] for rule in cited}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_an_anchor(page: Path) -> None:
    text = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    lost: list[str] = []
    for target, anchor in LINK.findall(text):
        file = page if not target else (page.parent / target).resolve()
        if not file.exists():
            lost.append(target)
        elif anchor and anchor not in anchors(file):
            lost.append(f"{target}#{anchor}")
    assert not lost, f"{name(page)} has links that lead nowhere: {lost}"


@pytest.mark.parametrize(
    "line",
    [
        "(store contract 6.4)",
        "Source: decisions 35, 39.",
        "Source: engine contract 8.",
        "(engine rules 2)",
        "(section 2.3)",
        "(decision 29)",
        "(cases 73-76, decision 15)",
        "store contract 6.1, column M",
        "(contract 6.3)",
        "[decision 15](decisions/0015-sessions.md)",
    ],
)
def test_old_citations_are_recognized(line: str) -> None:
    assert OLD.search(line)


@pytest.mark.parametrize(
    "line",
    ["(contract: runs-26)", "(decision 0015)", "[decision 0015](decisions/0015-sessions.md)", "case 1 | 2:", "5 cases"],
)
def test_citations_that_can_be_opened_are_no_old_ones(line: str) -> None:
    assert not OLD.search(line)
