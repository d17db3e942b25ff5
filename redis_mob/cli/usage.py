"""How definitions and releases are read and shown, with the runs that use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis_mob.cli.columns import print_columns
from redis_mob.cli.endings import print_line
from redis_mob.cli.existing import existing
from redis_mob.models.base import format_timestamp, json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.usage import DefinitionUse, ReleaseUse
from redis_mob.security.sealing import SealKeyring

_SHORT = 12
"""How much of a digest is shown to people; any four digits of it that are unique name it."""

_STATUSES = tuple(MobRunStatus)
_NAMES = tuple(status.upper() for status in _STATUSES)


async def seen_definitions(url: str, namespace: str, seal_keys: SealKeyring | None) -> Sequence[DefinitionUse]:
    """The definitions of a namespace."""
    async with existing(url, namespace, seal_keys) as storage:
        return await FleetAdmin(storage).definitions()


async def seen_definition(url: str, namespace: str, seal_keys: SealKeyring | None, digest: str) -> MobDefinition:
    """One of them."""
    async with existing(url, namespace, seal_keys) as storage:
        return await FleetAdmin(storage).definition(digest)


async def seen_releases(url: str, namespace: str, seal_keys: SealKeyring | None) -> Sequence[ReleaseUse]:
    """The releases of a namespace."""
    async with existing(url, namespace, seal_keys) as storage:
        return await FleetAdmin(storage).releases()


def show_definitions(seen: Sequence[DefinitionUse], *, json: bool) -> None:
    """A row, or an object, for each definition."""
    if json:
        for one in seen:
            print_line(json_text(_definition_object(one)))
        return
    if not seen:
        print_line("no definition is stored")
        return
    rows = [
        (
            one.digest[:_SHORT],
            one.mob_id or "?",
            ", ".join(one.flows) or "?",
            *_counts(one.runs),
            "-" if one.since is None else f"{one.since.astimezone():%Y-%m-%d %H:%M:%S}",
            str(len(one.workers)),
            _said_of(one),
        )
        for one in seen
    ]
    names = ("DEFINITION", "MOB", "FLOWS", *_NAMES, "SINCE", "WORKERS", "")
    print_columns(names, rows, right=(*_NAMES, "WORKERS"), whole=("DEFINITION",), below=("FLOWS", "SINCE", ""))


def show_releases(seen: Sequence[ReleaseUse], *, json: bool) -> None:
    """A row, or an object, for each release."""
    if json:
        for one in seen:
            print_line(json_text(_release_object(one)))
        return
    if not seen:
        print_line("there are no runs, and no workers")
        return
    rows = [(one.release or "(none)", *_counts(one.runs), str(len(one.workers)), said_of_release(one)) for one in seen]
    print_columns(("RELEASE", *_NAMES, "WORKERS", ""), rows, right=(*_NAMES, "WORKERS"), below=("",))


def said_of_release(one: ReleaseUse) -> str:
    """Whether it is drained, or what is in the way."""
    if one.is_drained:
        return "drained: nothing under way"
    if one.release is not None and not one.workers:
        return "no worker serves it"
    return ""


def _said_of(one: DefinitionUse) -> str:
    said = [] if one.problem is None else [one.problem]
    said += ["for forks"] if one.for_forks else []
    said += [f"schedule {name}" for name in one.schedules]
    if one.under_way and not one.workers:
        said.append("no worker is made for it")
    return ", ".join(said)


def _counts(runs: Mapping[MobRunStatus, int]) -> list[str]:
    return [str(runs[status]) for status in _STATUSES]


def _definition_object(one: DefinitionUse) -> dict[str, Any]:
    return {
        "digest": one.digest,
        "mob": one.mob_id,
        "flows": one.flows,
        "runs": dict(one.runs),
        "since": None if one.since is None else format_timestamp(one.since),
        "workers": one.workers,
        "schedules": one.schedules,
        "for_forks": one.for_forks,
        "problem": one.problem,
    }


def _release_object(one: ReleaseUse) -> dict[str, Any]:
    return {
        "release": one.release,
        "runs": dict(one.runs),
        "under_way": one.under_way,
        "workers": one.workers,
        "drained": one.is_drained,
    }
