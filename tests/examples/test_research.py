"""The research fleet: its flow without a model, with the fake one, and the program at a terminal and beside another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.research import __main__ as program
from examples.research import flow
from examples.research.fake_model import fake_model
from redis_mob import MobStorage, StepContext
from redis_mob.testing import run_flow

ROOT = Path(__file__).parents[2]
PLAN = {"questions": ["Why tea?", "Which tea?"]}


async def researcher(ctx: StepContext) -> Any:
    return PLAN if ctx.step_id == "plan" else f"<{ctx.message}>"


async def outcome(*decisions: dict[str, Any]) -> dict[str, Any]:
    signals = [("approval", decision) for decision in decisions]
    run = await run_flow(
        flow.research, {"researcher": researcher}, params={"topic": "tea"}, signals=signals, timeout=timedelta(hours=2)
    )
    return {step: run.output(step) for step in ("answers", "publish", "shelve") if step in run.root_step_outputs}


async def test_each_question_of_the_plan_is_answered_and_the_draft_is_published_if_it_is_approved() -> None:
    answers = ["<Answer: Why tea?>", "<Answer: Which tea?>"]
    draft = '<Draft a report: tea\n["<Answer: Why tea?>","<Answer: Which tea?>"]>'
    assert await outcome({"approved": True, "by": "anna"}) == {
        "answers": answers,
        "publish": f"{draft}\n\nApproved by anna.",
    }


async def test_a_refused_draft_is_shelved_and_so_is_one_that_nothing_is_said_of_for_an_hour() -> None:
    refused = await outcome({"approved": False, "by": "anna", "why": "too short"})
    assert refused["shelve"] == "No report: anna has refused it. too short"
    forgotten = await outcome()
    assert forgotten["shelve"] == "No report: the time for an approval is over."


def test_the_sources_are_searched_for_paragraphs_with_most_of_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("# Tea\n\nTea is\ngreen.\n\n| tea | black |\n\nBlack tea is a tea.\n")
    monkeypatch.setattr(flow, "SOURCES", tmp_path)
    assert flow.search(["Black", "tea"]) == "a.md: Black tea is a tea.\na.md: Tea is green."
    assert flow.search(["coffee"]) == ""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with fake_model(pause=0) as base_url:
        monkeypatch.setenv("OPENAI_BASE_URL", base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield


@pytest.mark.usefixtures("model")
async def test_the_fake_model_plans_searches_and_drafts_and_its_words_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with MobStorage.open("memory:", namespace="research") as storage:
        fleet = flow.mob.fleet(storage)
        async with fleet.working():
            report = await program.research(fleet, "retries", approve=True)
    assert report.startswith("# Retries\n\nHow is retries? ")
    assert report.count("md)") == 3, "each answer has found a source"
    shown = capsys.readouterr().out
    assert '{"questions": ["How is retries?"' in shown
    assert "--- answers[researcher-1#2] is done" in shown


def run(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("OPENAI", "REDIS_MOB"))}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "examples.research", *arguments],
        cwd=ROOT,
        env={**environment, "USER": "anna"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_person_at_the_terminal_decides() -> None:
    with run("tea") as command:
        out, err = command.communicate("no too short\n")
    assert (command.returncode, err) == (0, "")
    assert out.endswith("Publish it? yes, or no and why: No report: anna has refused it. too short\n")


async def test_another_process_works_and_decides_while_the_terminal_is_silent(server_url: str) -> None:
    where = ("--url", server_url)
    async with MobStorage.open(server_url, namespace="research") as storage:
        with run(*where, "--work") as worker, run(*where, "tea") as command:
            assert command.stdout is not None
            run_id = command.stdout.readline().removeprefix("run ").partition(":")[0]
            shown = ""
            while "Publish it?" not in shown and (character := command.stdout.read(1)):
                shown += character
            await flow.mob.fleet(storage).signal(run_id, "approval", {"approved": True, "by": "berta"})
            assert command.stdout.read().rstrip().endswith("Approved by berta.")
            worker.terminate()
        assert command.returncode == 0
