"""Policies of retention as people read and write them."""

from __future__ import annotations

import re
from datetime import timedelta

from redis_mob.models.retention import LONGEST_KEPT, Group, RetentionPolicies, RetentionPolicy

_AGE = re.compile(r"([0-9]{1,10})([smhdw])")
_NAMES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))

HOW_TO_WRITE_AN_AGE = f"write it like 7d, 12h or 90s, up to {LONGEST_KEPT.days}d"


def read_age(text: str) -> timedelta | None:
    """The age that a text like 7d, 12h or 90s says; None for one that says none, or a greater one than is kept."""
    if (age := _AGE.fullmatch(text)) is None:
        return None
    try:
        found = timedelta(**{_NAMES[age[2]]: int(age[1])})
    except OverflowError:
        return None
    return found if found <= LONGEST_KEPT else None


def age_text(age: timedelta) -> str:
    """An age as it is written in commands, as 7d or 90s."""
    for unit, length in _UNITS:
        if age and not age % length:
            return f"{age // length}{unit}"
    return f"{age.total_seconds():g}s"


def group_text(group: Group) -> str:
    """Of which runs a policy is."""
    if isinstance(group, tuple):
        return f"flow {group[1]} of mob {group[0]}"
    return "all others" if group is None else f"mob {group}"


def text_of_runs(policy: RetentionPolicy) -> str:
    """What a policy says of runs: `completed 7d, failed 30d, at most 100000 runs`; nothing if it bounds none."""
    ages = {"completed": policy.completed, "failed": policy.failed, "canceled": policy.canceled}
    said = [f"{name} {age_text(age)}" for name, age in ages.items() if age is not None]
    said += [] if policy.max_runs is None else [f"at most {policy.max_runs} runs"]
    return ", ".join(said)


def text_of_events(policy: RetentionPolicy) -> str:
    """What a policy says of events: `kept for 30d, at most 1000000 events`; nothing if it bounds none."""
    said = [] if policy.events is None else [f"kept for {age_text(policy.events)}"]
    said += [] if policy.max_events is None else [f"at most {policy.max_events} events"]
    return ", ".join(said)


def text_of_policy(policy: RetentionPolicy) -> str:
    """All that a policy says."""
    said = [text_of_runs(policy), text_of_events(policy)]
    said += [] if policy.keep_key is None else [f"keys {age_text(policy.keep_key)}"]
    return ", ".join(filter(None, said)) or "everything is kept"


def bound_of_runs(policies: RetentionPolicies) -> str | None:
    """The policies that delete runs; None if none does. It says so where those of some mobs are never deleted."""
    said = [
        f"{'' if group is None else f'{group_text(group)}: '}{text_of_runs(policy)}"
        for group, policy in policies.groups.items()
        if policy.bounds_runs
    ]
    if not said:
        return None
    general = policies.general
    if general is None or not general.bounds_runs:
        said.append("other mobs: nothing")
    return "; ".join(said)
