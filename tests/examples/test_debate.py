"""The debate: by its script, without an agreement, with a chat model, and as a program."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from examples.debate.__main__ import told
from examples.debate.flow import ROUNDS, Argument, Tally, debate
from examples.debate.script import scripted
from redis_mob import StepContext
from redis_mob.testing import run_flow
from tests.handlers.fake_model import asked, model, said

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "Tea or coffee?"}


@pytest.fixture(autouse=True)
def without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def test_the_script_is_agreed_upon_in_the_third_round() -> None:
    run = await run_flow(debate, params=QUESTION)
    assert run.output("tally", Tally) == Tally(over=True, agreed=True, verdict="against", rounds=3)
    assert len(run.loop_iteration_outputs["rounds"]) == 3
    assert told(run).endswith("Agreed after 3 rounds: against")


@pytest.mark.parametrize("slow", ["judge-1", "judge-2", "judge-3"])
async def test_it_does_not_matter_which_judges_vote_first(slow: str) -> None:
    async def vote(ctx: StepContext) -> object:
        await asyncio.sleep(10 if ctx.member == slow else 0)
        return await scripted(ctx)

    run = await run_flow(debate, {"judge": vote}, params=QUESTION)
    assert slow not in run.outputs("vote")
    assert run.output("tally", Tally).rounds == 3


async def test_judges_who_never_agree_end_the_last_round_and_not_the_run() -> None:
    def vote(ctx: StepContext) -> object:
        return {"verdict": {"judge-1": "for", "judge-2": "against"}.get(ctx.member, "undecided"), "why": ""}

    run = await run_flow(debate, {"judge": vote}, params=QUESTION)
    assert run.status == "completed"
    assert run.output("tally", Tally) == Tally(over=True, agreed=False, verdict="none", rounds=ROUNDS)
    assert told(run).endswith("No agreement")


async def test_two_judges_who_cannot_decide_have_not_agreed() -> None:
    run = await run_flow(debate, {"judge": lambda ctx: {"verdict": "undecided", "why": ctx.member}}, params=QUESTION)
    assert not run.output("tally", Tally).agreed


async def test_a_chat_model_answers_with_what_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = said('{"position": "for", "words": "Tea is old.", "verdict": "for", "why": "It is."}')
    async with model(answer) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        run = await run_flow(debate, params=QUESTION)
        first, *_, last = (asked(endpoint, number) for number in range(len(endpoint.requests)))
    assert run.outputs("argue", Argument)["debater-3"].words == "Tea is old."
    assert run.output("tally", Tally) == Tally(over=True, agreed=True, verdict="for", rounds=1)
    assert first["response_format"]["json_schema"]["schema"]["required"] == ["position", "words"]
    assert "debater-1: Tea is old." in last["messages"][-1]["content"]


def test_the_program_prints_what_its_page_shows() -> None:
    page = (ROOT / "examples" / "debate" / "README.md").read_text(encoding="utf-8")
    shown = page.partition("$ python -m examples.debate\n")[2].partition("```")[0]
    command = [sys.executable, "-W", "error", "-m", "examples.debate"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stderr == ""

    def spoken(text: str) -> list[str]:
        """All but the votes, since which two judges are first may differ."""
        return [line for line in text.splitlines() if "votes:" not in line]

    assert spoken(ended.stdout) == spoken(shown)
