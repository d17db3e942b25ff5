"""What a model is told before its task: the skills of its profile, and why the attempt before failed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from redis_mob.errors import shown
from redis_mob.fleet.step_context import PreviousFailure, StepContext, StepFailed
from redis_mob.models.definition import PathSkill
from redis_mob.models.documents import TEXT_ENCODING


async def instructions_of(ctx: StepContext, system: str | None) -> str:
    """The text of `system`, and that of each skill of the profile under its name; empty if there is neither.

    A skill in a file is read now; its path counts from the working directory of the worker. Raises StepFailed, after
    which there is no further attempt, for one that cannot be read.
    """
    parts = [system] if system else []
    for name, skill in ctx.profile.skills.items():
        text = await asyncio.to_thread(_read, name, skill.path) if isinstance(skill, PathSkill) else skill.content
        parts.append(f"# Skill: {name}\n\n{text.strip()}")
    return "\n\n".join(parts)


def told_failure(failure: PreviousFailure) -> str:
    """What a model is told of the attempt before, so that it does better."""
    return f"An earlier attempt at this task failed: {failure.reason}\nAvoid that this time."


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding=TEXT_ENCODING)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise StepFailed(f"skill {shown(name)}: {shown(path)} cannot be read: {reason}", retryable=False) from None
