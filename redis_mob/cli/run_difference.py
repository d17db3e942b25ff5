"""What `redis-mob diff` prints: what of a run differs between two events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.cli.existing import existing
from redis_mob.cli.moments import place_of
from redis_mob.cli.printing import Paper
from redis_mob.cli.run_argument import run_id_of
from redis_mob.models.base import json_text
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_diff import Change, Part, RunDiff
from redis_mob.security.sealing import SealKeyring

_TOLD_OF_ROW = {Part.STEP_ROW: "status", Part.FAILURE_ROW: "reason"}
"""Which field of a row of a ledger stands for it in a line."""

_SHORT = 60
"""Characters of a value that are shown; `--json` has it whole."""


async def difference_of(
    url: str, namespace: str, seal_keys: SealKeyring | None, run: str, before: str, after: str
) -> RunDiff:
    """What of the run that an argument names differs between two events that arguments name."""
    now = datetime.now(UTC)
    at = place_of("A", before, now), place_of("B", after, now)
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        return await admin.diff(await run_id_of(admin, run), *at)


def page(told: RunDiff, paper: Paper) -> str:
    """The differences as text, a line for each."""
    return paper.rendered(*_parts(told))


def _parts(told: RunDiff) -> Iterator[Text]:
    much = "nothing differs" if not told.changes else f"{len(told.changes):,} differ"
    yield Text.assemble("run ", (told.run_id, "bold"), f"  from event {told.before} to event {told.after}: {much}")
    for change in told.changes:
        yield Text(f"  {_line(change)}")
    for one in told.unknown:
        yield Text(f"  not known: {printable(one)}", style="yellow")


def _line(change: Change) -> str:
    what = f"{change.part.replace('_', ' ')} {printable(change.name)}".rstrip()
    told = _TOLD_OF_ROW.get(change.part)
    before, after = (one[told] if told and one else one for one in (change.before, change.after))
    return f"{what}: {_value(before)} -> {_value(after)}"


def _value(value: object) -> str:
    """A value in a few characters; `-` for what is not there."""
    text = "-" if value is None else printable(value if isinstance(value, str) else json_text(value))
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
