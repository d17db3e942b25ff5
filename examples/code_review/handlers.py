"""The five roles of the code review: plain functions from what a step can see to a JSON value.

None of them keeps anything between calls, so any worker may run any of them, and run it again after a crash. What they
share travels through the store: each step sees the outputs of the steps before it.

Parameters of the flow, all optional: `path` (the tree, default: the redis_mob package), `report` (the file to write,
default: review.md) and `limit` (how many findings to keep, default: 20). Relative paths start at the working directory
of the worker, so workers on several hosts need a shared one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis_mob
from examples.code_review.lenses import LENSES, Finding, UnreadableFileError, examine, parse, python_files
from redis_mob import StepContext, StepFailed

ROUNDS = (
    ("everything", {"low", "medium", "high"}),
    ("medium and high", {"medium", "high"}),
    ("high only", {"high"}),
    ("high only, cut to the limit", {"high"}),
)
"""What each round of narrowing keeps. As many rounds as `max_iterations` in code_review.toml; the last one cuts."""

MOST_FINDINGS = 500
"""A reviewer reports the worst ones up to this number, which bounds what travels through the store."""

VOTES_NEEDED = 2
"""The quorum of the vote in code_review.toml: a finding stands when so many judges confirm it."""

SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True)
class Settings:
    """The parameters of a review, checked."""

    root: Path
    report: Path
    limit: int

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Settings:
        """Raises StepFailed, not retryable, for a parameter that cannot be used."""
        path = params.get("path", str(Path(redis_mob.__file__).parent))
        report = params.get("report", "review.md")
        limit = params.get("limit", 20)
        if not isinstance(path, str) or not Path(path).is_dir():
            raise StepFailed(f"the parameter path must name a directory, not {path!r}", retryable=False)
        if not isinstance(report, str) or not Path(report).name:
            raise StepFailed(f"the parameter report must name a file, not {report!r}", retryable=False)
        if type(limit) is not int or limit < 1:
            raise StepFailed(f"the parameter limit must be a whole number from 1, not {limit!r}", retryable=False)
        return cls(Path(path), Path(report), limit)


def inventory(ctx: StepContext) -> dict[str, Any]:
    """Lists the Python files of the tree, and those that cannot be reviewed with the reason."""
    root = Settings.of(ctx.params).root
    problems: list[OSError] = []
    files: list[str] = []
    unreadable: list[dict[str, str]] = []
    for path in python_files(root, problems):
        shown = path.encode(errors="surrogateescape").decode(errors="replace")
        try:
            parse(root, path)
        except UnreadableFileError as error:
            unreadable.append({"path": shown, "reason": str(error)})
        else:
            if shown == path:
                files.append(path)
            else:
                unreadable.append({"path": shown, "reason": "the name is not UTF-8"})
    unreadable += ({"path": str(problem.filename), "reason": str(problem.strerror)} for problem in problems)
    return {"count": len(files), "files": files, "unreadable": unreadable}


def review(ctx: StepContext) -> dict[str, Any]:
    """Looks at every file through the lens of this reviewer: the first one has the first lens, and so on."""
    root = Settings.of(ctx.params).root
    number = re.search(r"\d+$", ctx.member)
    if number is None:
        raise StepFailed(f"reviewer {ctx.member!r} has no number at its end that gives it a lens", retryable=False)
    lens = list(LENSES)[(int(number[0]) - 1) % len(LENSES)]
    findings = worst_first(examine(root, ctx.outputs["inventory"]["files"], lens))
    return {"lens": lens, "found": len(findings), "findings": findings[:MOST_FINDINGS]}


def vote(ctx: StepContext) -> dict[str, Any]:
    """Looks again where something was found, and confirms by number the claims that it can reproduce."""
    root = Settings.of(ctx.params).root
    claimed = claims(ctx.outputs)
    reproduced = {
        identity(finding)
        for lens in LENSES
        for finding in examine(root, sorted({claim["path"] for claim in claimed if claim["lens"] == lens}), lens)
    }
    return {"confirmed": [number for number, claim in enumerate(claimed) if identity(claim) in reproduced]}


def narrow(ctx: StepContext) -> dict[str, Any]:
    """Keeps what this round's bar lets through; done when few enough are left, at the latest in the last round."""
    limit = Settings.of(ctx.params).limit
    before = ctx.outputs.get("narrow") or {"findings": confirmed(ctx.outputs), "rounds": []}
    this_round = len(before["rounds"])
    last = this_round == len(ROUNDS) - 1
    name, severities = ROUNDS[this_round]
    kept = [finding for finding in before["findings"] if finding["severity"] in severities]
    if last:
        kept = kept[:limit]
    return {
        "done": last or len(kept) <= limit,
        "left": len(kept),
        "rounds": [*before["rounds"], {"keeps": name, "left": len(kept)}],
        "findings": kept,
    }


def write_report(ctx: StepContext) -> dict[str, Any]:
    """Writes the report as Markdown, whole or not at all, and says where it is."""
    settings = Settings.of(ctx.params)
    write_whole(settings.report, markdown(settings.root.resolve().name, ctx.outputs))
    return {"report": str(settings.report.resolve()), "findings": ctx.outputs["narrow"]["left"]}


HANDLERS = {
    "inventory": inventory,
    "reviewer": review,
    "judge": vote,
    "editor": narrow,
    "writer": write_report,
}


def identity(finding: Finding) -> tuple[str, int, str, str]:
    """What makes two findings the same one."""
    return finding["path"], finding["line"], finding["lens"], finding["message"]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by severity, then by place, so that every worker sees the same order."""
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding["severity"]), *identity(finding)))


def claims(outputs: Mapping[str, Any]) -> list[Finding]:
    """What all reviewers found, in the order in which judges number it; reviewers with the same lens count once."""
    by_identity = {
        identity(finding): finding for reviewer in outputs["review"].values() for finding in reviewer["findings"]
    }
    return worst_first(by_identity.values())


def confirmed(outputs: Mapping[str, Any]) -> list[Finding]:
    """The claims that enough judges could reproduce."""
    votes = Counter(number for judge in outputs["vote"].values() for number in judge["confirmed"])
    return [claim for number, claim in enumerate(claims(outputs)) if votes[number] >= VOTES_NEEDED]


def markdown(name: str, outputs: Mapping[str, Any]) -> str:
    """The report. The same tree and parameters give the same text, independent of which members reviewed and voted."""
    stock, narrowed = outputs["inventory"], outputs["narrow"]
    found = {reviewer["lens"]: reviewer["found"] for reviewer in outputs["review"].values()}
    kept = Counter(finding["lens"] for finding in narrowed["findings"])
    sections = [
        f"# Code review of {code(name)}",
        f"{stock['count']} Python files reviewed: {sum(found.values())} findings, "
        f"{len(claims(outputs))} put to the vote, {len(confirmed(outputs))} confirmed by at least "
        f"{VOTES_NEEDED} judges, {narrowed['left']} kept.",
        table(
            ("lens", "found", "kept"),
            ((lens, found.get(lens, "not applied: too few reviewers"), kept[lens]) for lens in LENSES),
        ),
        "## Findings",
        table(
            ("severity", "where", "lens", "what"),
            (
                (finding["severity"], code(f"{finding['path']}:{finding['line']}"), finding["lens"], finding["message"])
                for finding in narrowed["findings"]
            ),
        )
        if narrowed["findings"]
        else "None.",
        "## Rounds of narrowing",
        table(
            ("round", "keeps", "findings left"),
            ((number, step["keeps"], step["left"]) for number, step in enumerate(narrowed["rounds"], start=1)),
        ),
    ]
    if stock["unreadable"]:
        skipped = ((code(file["path"]), file["reason"]) for file in stock["unreadable"])
        sections += ["## Not reviewed", table(("file", "reason"), skipped)]
    return "\n\n".join(sections) + "\n"


def table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table; bars and line breaks inside cells are escaped."""
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in (header, ("---",) * len(header), *rows))


def cell(value: object) -> str:
    """The text of a value, fit for one cell of a table."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Text as inline code."""
    plain = text.replace("`", "'")
    return f"`{plain}`"


def write_whole(path: Path, text: str) -> None:
    """Puts a file in place in one go: a reader sees the old one or the new one. Raises StepFailed."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError as error:
        raise StepFailed(f"cannot write the report {str(path)!r}: {error.strerror}", retryable=False) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
