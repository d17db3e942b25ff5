"""What the commands do that steer runs: those that are named, or, after a question, all that options choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.run_choice import RunChoice
from redis_mob.cli.run_list import PAUSED
from redis_mob.cli.steering import Act, confirmed, steer
from redis_mob.errors import ValidationError
from redis_mob.models.base import json_text
from redis_mob.models.pause import PauseScope
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations.bulk import SteeredRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.known_names import unknown_names
from redis_mob.security.sealing import SealKeyring

_NAMED = 5
"""How many of the runs are shown before the question."""

_MANY = 10_000
"""From how many runs on it is told that they take their time: some thousands are steered in a second at most."""


@dataclass(frozen=True, slots=True)
class SteeringOrder:
    """What a command does with runs: with one that is named, and with all that options choose.

    Of all of them it says what is done in words, and to which statuses unless some are asked for. `question` is asked
    before named ones are steered, with `{runs}` for how many they are; '' asks nothing.
    """

    verb: str
    done: str
    statuses: Collection[MobRunStatus]
    act: Act
    act_on_all: Callable[[FleetAdmin, Mapping[str, Any]], AsyncIterator[SteeredRun]]
    question: str = ""
    only_paused: bool = False


def steer_runs(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    named: Sequence[str],
    choice: RunChoice,
    order: SteeringOrder,
    *,
    yes: bool,
    dry_run: bool,
    json: bool,
) -> ExitStatus:
    """Do it with the runs that are named, or with those that options choose; the status to end with.

    Raises ValidationError if both or none of them are given, and where a person would have to be asked.
    """
    if is_chosen(named, choice, dry_run=dry_run):
        conditions = choice.conditions()
        work = steer_chosen(url, namespace, seal_keys, conditions, order, yes=yes, dry_run=dry_run, json=json)
    else:
        if order.question:
            confirmed(order.question.format(runs=f"{len(named)} run{'s' * (len(named) > 1)}"), yes=yes)
        work = steer(url, namespace, seal_keys, named, order.act, json=json)
    return asyncio.run(work)


def is_chosen(runs: Sequence[str], choice: RunChoice, *, dry_run: bool = False) -> bool:
    """Whether options choose the runs, and no ids do. Raises ValidationError if both do, or nothing does."""
    if runs and choice.is_given:
        raise ValidationError("name the runs by their ids, or choose them by --mob, --status and the like; not both")
    if not runs and not choice.is_given:
        raise ValidationError("no run is named: give ids, or choose runs by --mob, --flow, --status, --since, --until")
    if runs and dry_run:
        raise ValidationError("--dry-run shows what options like --mob and --status choose; these runs have ids")
    return not runs


async def steer_chosen(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    conditions: Mapping[str, Any],
    order: SteeringOrder,
    *,
    yes: bool,
    dry_run: bool,
    json: bool,
) -> ExitStatus:
    """Do something with each of the runs that are chosen, after a question; the status to end with.

    Runs that were created since this was asked are not among them.
    """
    errors = stderr_console()
    # by the clock of this machine, as the options are: a run whose starter is ahead of it is left for the next time
    which = {
        **conditions,
        "statuses": list(conditions["statuses"] or order.statuses),
        "until": conditions["until"] or datetime.now(UTC),
    }
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        number, first = await _found(admin, which, order)
        if json and dry_run:
            print_line(json_text({"runs": number}))
        else:
            for line in _told(number, first):
                say(errors, line)
        if not number:
            mistyped = await unknown_names(storage, conditions["mob_id"], conditions["flow_id"])
            if mistyped is not None:
                say(errors, f"note: {mistyped}")
        if dry_run or not number:
            return ExitStatus.COMPLETED
        if number >= _MANY:
            say(errors, f"{number:,} runs take a while; when this is interrupted, do it again for those that are left")
        confirmed(f"{order.verb} {number:,} run{'s' * (number > 1)}?", yes=yes)
        return await _steer(order.act_on_all(admin, which), order, json=json)


async def _found(admin: FleetAdmin, which: Mapping[str, Any], order: SteeringOrder) -> tuple[int, Sequence[RunSummary]]:
    """How many runs there are, and the newest of them."""
    if not order.only_paused:
        page = await admin.runs(**which, limit=_NAMED)
        return sum((await admin.count(**which)).values()) if page.next else len(page.runs), page.runs
    number, first = 0, list[RunSummary]()
    async for run in admin.all_runs(**which):
        if PauseScope.RUN in run.paused:
            number += 1
            first += [run] if number <= _NAMED else []
    return number, first


def _told(number: int, first: Sequence[RunSummary]) -> list[str]:
    if not number:
        return ["no run is chosen"]
    lines = [f"  {run.run_id}  {run.status}{PAUSED * bool(run.paused)}  {run.mob_id}  {run.flow_id}" for run in first]
    more = [f"  and {number - len(first):,} more"] if number > len(first) else []
    return [f"{number:,} run{' is' if number == 1 else 's are'} chosen:", *lines, *more]


async def _steer(steered: AsyncIterator[SteeredRun], order: SteeringOrder, *, json: bool) -> ExitStatus:
    ends, done, left = ExitStatus.COMPLETED, 0, 0
    async for one in steered:
        done += one.is_done
        left += not one.is_done
        if json:
            problem = {} if one.problem is None else {"problem": one.problem}
            print_line(json_text({"run_id": one.run.run_id, "done": one.is_done, **problem}))
        else:
            print_line(f"run {one.run.run_id}: {order.done if one.is_done else one.problem}")
        ends = ends if one.is_done else ExitStatus.FAILED
    if not json:
        say(stderr_console(), f"{done:,} done" + (f", {left:,} not" if left else ""))
    return ends
