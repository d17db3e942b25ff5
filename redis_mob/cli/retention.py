"""How policies of retention are read, changed, applied and shown, and what bounds a namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.text import Text

from redis_mob.cli.budgets import show_usage
from redis_mob.cli.columns import print_columns
from redis_mob.cli.console import printable
from redis_mob.cli.endings import print_line
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import standard_output, write
from redis_mob.cli.words import duration_text, size_text
from redis_mob.errors import ValidationError, shown
from redis_mob.models.base import format_timestamp, json_text
from redis_mob.models.retention import Group, PruneReport, RetentionPolicies, RetentionPolicy
from redis_mob.models.retention_text import HOW_TO_WRITE_AN_AGE, age_text, group_text, read_age
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.stats import NamespaceStats
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage

_NONE = "none"
_NAMES = {"MOB", "FLOW"}
_SELDOM = {"FLOW", "KEEP KEY", "MAX EVENTS"}
"""Columns that are left out where no policy says anything there."""

_LARGEST = 5
"""How many keys of a namespace are named."""


def parse_age(option: str, text: str) -> timedelta | None:
    """An age like 7d or 12h; None for `none`. Raises ValidationError naming the option."""
    if text == _NONE:
        return None
    if (age := read_age(text)) is None:
        raise ValidationError(f"{option} is no age: {shown(text)}; {HOW_TO_WRITE_AN_AGE}, or {_NONE}")
    return age


def parse_number(option: str, text: str) -> int | None:
    """A number from 0; None for `none`. Raises ValidationError naming the option."""
    if text == _NONE:
        return None
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    raise ValidationError(f"{option} is no number: {shown(text)}; write it like 100000, or {_NONE}")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done with the policies: shown, one set in some of its fields, or one cleared."""

    action: str
    mob: str | None
    flow: str | None
    fields: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        action: str,
        mob: str | None,
        flow: str | None,
        ages: Mapping[str, str | None],
        numbers: Mapping[str, str | None],
    ) -> Change:
        """The change that these options ask for, by the fields of a policy. Raises ValidationError."""
        fields: dict[str, Any] = {}
        for parse, given in ((parse_age, ages), (parse_number, numbers)):
            fields |= {name: parse(_option(name), text) for name, text in given.items() if text is not None}
        if flow is not None and mob is None:
            raise ValidationError("--flow needs --mob, the mob of the flow")
        if action != "set" and fields:
            raise ValidationError(
                f"retention {action} takes no ages and no numbers: `redis-mob retention set` changes them"
            )
        if action == "set" and not fields:
            raise ValidationError(f"nothing is to be set: give {' or '.join(map(_option, (*ages, *numbers)))}")
        return cls(action, mob, flow, fields)

    @property
    def group(self) -> Group:
        """Of which runs the policy is."""
        return self.mob if self.mob is None or self.flow is None else (self.mob, self.flow)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


async def act_on_policies(
    url: str, namespace: str, seal_keys: SealKeyring | None, change: Change
) -> RetentionPolicies | None:
    """The policies after a change; None if there was none to be cleared."""
    opened = MobStorage.open(url, namespace=namespace, seal_key=seal_keys)
    async with opened if change.action == "set" else existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        if change.action == "set":
            known = await admin.get_retention(change.mob, change.flow) or RetentionPolicy()
            await admin.set_retention(known.model_copy(update=change.fields), change.mob, change.flow)
        elif change.action == "clear" and not await admin.clear_retention(change.mob, change.flow):
            return None
        policies = await admin.retention()
    if change.action == "show" and change.mob is not None:
        of_mobs = {mob: one for mob, one in policies.of_mobs.items() if mob == change.group}
        flows = (change.flow,) if change.flow is not None else [flow for _, flow in policies.of_flows]
        of_flows = {
            (mob, flow): one for (mob, flow), one in policies.of_flows.items() if mob == change.mob and flow in flows
        }
        return RetentionPolicies(policies.now, None, of_mobs, of_flows)
    return policies


def show_policies(policies: RetentionPolicies, asked: Group, *, json: bool) -> None:
    """A row, or an object, for each policy; `asked` is the group that they were asked for, None for all."""
    groups = policies.groups
    if json:
        for group, policy in groups.items():
            mob, flow = group if isinstance(group, tuple) else (group, None)
            print_line(json_text({"mob": mob, "flow": flow, **_seconds_of(policy)}))
        return
    if not groups:
        print_line(
            "there is no policy: everything is kept"
            if asked is None
            else f"{printable(group_text(asked))} has no policy of its own"
        )
        return
    rows = [
        _row(group, policy, is_alone=len(groups) == 1)
        for group, policy in sorted(groups.items(), key=lambda item: _order(item[0]))
    ]
    shown = [name for name in rows[0] if name not in _SELDOM or any(row[name] not in ("", "-") for row in rows)]
    print_columns(shown, [[row[name] for name in shown] for row in rows], right=[n for n in shown if n not in _NAMES])


def _row(group: Group, policy: RetentionPolicy, *, is_alone: bool) -> dict[str, str]:
    mob, flow = group if isinstance(group, tuple) else (group, "")
    return {
        "MOB": mob if mob is not None else "all" if is_alone else "all others",
        "FLOW": flow,
        "COMPLETED": _age(policy.completed),
        "FAILED": _age(policy.failed),
        "CANCELED": _age(policy.canceled),
        "MAX RUNS": _number(policy.max_runs),
        "KEEP KEY": _age(policy.keep_key),
        "EVENTS": _age(policy.events) if group is None else "",
        "MAX EVENTS": _number(policy.max_events) if group is None else "",
    }


def _order(group: Group) -> tuple[str, ...]:
    return () if group is None else group if isinstance(group, tuple) else (group,)


def _age(age: timedelta | None) -> str:
    return "-" if age is None else age_text(age)


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _seconds_of(policy: RetentionPolicy) -> dict[str, Any]:
    ages = {name: getattr(policy, name) for name in ("completed", "failed", "canceled", "keep_key", "events")}
    seconds = {name: None if age is None else age.total_seconds() for name, age in ages.items()}
    return {**seconds, "max_runs": policy.max_runs, "max_events": policy.max_events}


async def tried(url: str, namespace: str, seal_keys: SealKeyring | None, change: Change) -> PruneReport:
    """What would be deleted at once if a policy were set like this. Raises ValidationError for another change."""
    if change.action != "set":
        raise ValidationError(f"retention {change.action} has no --dry-run: `set` has")
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        known = await admin.get_retention(change.mob, change.flow) or RetentionPolicy()
        policies = (await admin.retention()).with_policy(change.group, known.model_copy(update=change.fields))
        return await admin.prune(dry_run=True, policies=policies)


async def pruned(
    url: str, namespace: str, seal_keys: SealKeyring | None, *, dry_run: bool, most: int | None
) -> tuple[PruneReport, bool]:
    """Apply the policies once; the report, and whether there is any policy."""
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
        admin = FleetAdmin(storage)
        report = await admin.prune(dry_run=dry_run, most=most)
        return report, bool((await admin.retention()).groups)


def show_report(report: PruneReport, *, json: bool) -> None:
    """One line, or one object."""
    if json:
        print_line(report.model_dump_json())
        return
    done = "would be deleted" if report.is_dry_run else "deleted"
    by_end = f"{report.completed} completed, {report.failed} failed, {report.canceled} canceled"
    runs = "1 run" if report.runs == 1 else f"{report.runs} runs"
    print_line(f"{done}: {runs} ({by_end}), {report.events} events")
    if not report.is_complete:
        print_line("more is to go: do it again")


async def seen_stats(url: str, namespace: str, seal_keys: SealKeyring | None) -> NamespaceStats:
    """What there is in a namespace."""
    async with existing(url, namespace, seal_keys) as storage:
        return await FleetAdmin(storage).stats()


def show_stats(stats: NamespaceStats, *, json: bool) -> None:
    """A row for each thing that may grow, then what memory there is; or one object."""
    sizes = stats.sizes
    largest = sorted(sizes.keys.items(), key=lambda item: -item[1])[:_LARGEST]
    if json:
        print_line(json_text(_stats_object(stats)))
        return
    rows = [
        (one.what, str(one.number), _size(one.bytes), "nothing" if one.bound is None else one.bound)
        for one in stats.growths
    ]
    print_columns(("WHAT", "NUMBER", "MEMORY", "BOUNDED BY"), rows, right=("NUMBER", "MEMORY"), below=("BOUNDED BY",))
    lines = ["", "runs: " + ", ".join(f"{number} {status}" for status, number in stats.runs.items())]
    if sizes.oldest_event is not None:
        lines.append(f"oldest event: {duration_text((sizes.now - sizes.oldest_event).total_seconds())} ago")
    if largest:
        lines.append("largest keys: " + ", ".join(f"{name} {size_text(size)}" for name, size in largest))
    else:
        lines.append("memory of keys: not told by the server (the user may not run MEMORY USAGE)")
    if sizes.used_memory is not None:
        limit = f"of maxmemory {size_text(sizes.max_memory)}" if sizes.max_memory else "without a maxmemory"
        lines.append(f"the server uses {size_text(sizes.used_memory)} {limit}")
    write(standard_output().rendered(*map(Text, lines)))
    if stats.usage:
        print_line("")
        show_usage(stats.usage)


def _size(size: int | None) -> str:
    return "?" if size is None else size_text(size)


def _stats_object(stats: NamespaceStats) -> dict[str, Any]:
    sizes = stats.sizes
    return {
        "runs": dict(stats.runs),
        "events": sizes.events,
        "oldest_event": None if sizes.oldest_event is None else format_timestamp(sizes.oldest_event),
        "definitions": sizes.definitions,
        "asks": stats.asks,
        "usage": [one.model_dump(mode="json") for one in stats.usage],
        "bytes_of_a_run": sizes.bytes_of_a_run,
        "keys": dict(sizes.keys),
        "used_memory": sizes.used_memory,
        "max_memory": sizes.max_memory,
        "grows": [
            {"what": one.what, "number": one.number, "bytes": one.bytes, "bound": one.bound} for one in stats.growths
        ],
    }
