"""How runs are verified from the command line, and what is said of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from redis_mob.cli.console import printable, stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.unstarted import left_out, number_unstarted
from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.models.base import json_text
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.verification import RunVerification
from redis_mob.security.sealing import SealKeyring


async def verify_runs(
    url: str, namespace: str, seal_keys: SealKeyring | None, runs: Sequence[str], *, json: bool
) -> ExitStatus:
    """Verify these runs, with a line for each; errors about one are told, and the others go on."""
    ends = ExitStatus.COMPLETED
    async with existing(url, namespace, seal_keys, must_exist=True) as storage:
        admin = FleetAdmin(storage)
        for text in dict.fromkeys(runs):
            try:
                found = await admin.verify(await run_id_of(admin, text))
            except (NotFoundError, ValidationError) as error:
                say(stderr_console(), f"error: {error}")
                ends = max(ends, ExitStatus.USAGE)
                continue
            _show(found, json=json)
            ends = max(ends, ExitStatus.COMPLETED if found.agrees else ExitStatus.FAILED)
    return ends


async def verify_all(
    url: str, namespace: str, seal_keys: SealKeyring | None, which: Mapping[str, Any], *, json: bool
) -> ExitStatus:
    """Verify all runs that are asked for: a line for each that differs, and in the end their number, and that of the
    runs which cannot be verified.
    """
    number = differing = 0
    async with existing(url, namespace, seal_keys, must_exist=True) as storage:
        admin = FleetAdmin(storage)
        found: AsyncIterator[RunVerification] = admin.verify_all(**which)
        async for one in found:
            number, differing = number + 1, differing + (not one.agrees)
            if json or not one.agrees:
                _show(one, json=json)
        unstarted = await number_unstarted(admin, which)
    if not json:
        verified = f"{number} run{'s' * (number != 1)} verified, {differing} differ{'s' * (differing == 1)}"
        print_line(f"{verified}{left_out(unstarted)}")
    elif unstarted:
        print_line(json_text({"left_out": unstarted}))
    return ExitStatus.FAILED if differing else ExitStatus.COMPLETED


def _show(found: RunVerification, *, json: bool) -> None:
    if json:
        print_line(json_text(_object(found)))
        return
    number = len(found.differences)
    said = "agrees with its inputs" if found.agrees else f"{number} difference{'s' * (number > 1)}"
    print_line(f"run {found.run_id}: {said}{'' if found.events_known else ' (its events are not known)'}")
    for one in found.differences:
        print_line(f"  {printable(str(one))}")


def _object(found: RunVerification) -> dict[str, Any]:
    differences = [{"path": one.path, "expected": one.expected, "found": one.found} for one in found.differences]
    return {
        "run_id": found.run_id,
        "agrees": found.agrees,
        "events_known": found.events_known,
        "differences": differences,
    }
