"""How runs are exported to a file, and imported from one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.unstarted import left_out, number_unstarted
from redis_mob.errors import CasConflictError, ValidationError, shortened
from redis_mob.models.base import json_text
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import does with runs that are there or not over, and how it tells of each."""

    skip_existing: bool
    include_unfinished: bool
    json: bool


async def export_runs(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    runs: Sequence[str] | None,
    which: Mapping[str, Any],
    output: Path | None,
) -> None:
    """Write these runs, or all that are asked for, to a new file or to standard output."""
    number = unstarted = 0
    async with existing(url, namespace, seal_keys, must_exist=True) as storage:
        admin = FleetAdmin(storage)
        if runs is None:
            lines = admin.export_all(**which)
        else:
            lines = admin.export(list(dict.fromkeys([await run_id_of(admin, text) for text in runs])))
        with _written(output) as write:
            async for line in lines:
                write(line)
                number += line.startswith('{"run":')
        if runs is None:
            unstarted = await number_unstarted(admin, which)
    others = f"{left_out(unstarted)}: --mob-db FILE or --lines FILE exports them" if unstarted else ""
    say(stderr_console(), f"{number} run{'s' * (number != 1)} exported{others}")


async def import_lines(
    url: str, namespace: str, seal_keys: SealKeyring | None, lines: Iterable[str], wanted: Wanted
) -> None:
    """Store the runs of a file, with a line for each."""
    stored = skipped = 0
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
        found = FleetAdmin(storage).import_runs(
            lines, skip_existing=wanted.skip_existing, include_unfinished=wanted.include_unfinished
        )
        try:
            async for one in found:
                stored, skipped = stored + one.is_stored, skipped + (not one.is_stored)
                if wanted.json:
                    print_line(json_text({"run_id": one.run_id, "imported": one.is_stored}))
                else:
                    print_line(f"run {one.run_id}: {'imported' if one.is_stored else 'is there already'}")
        finally:
            left = f", {skipped} were there already" if skipped else ""
            say(stderr_console(), f"{stored} run{'s' * (stored != 1)} imported{left}")


@contextmanager
def _written(output: Path | None) -> Generator[Callable[[str], None]]:
    """What writes a line. Raises CasConflictError for a file that is there, ValidationError for one that cannot be."""
    if output is None:
        yield print_line
        return
    try:
        file = output.open("x", encoding="utf-8")
    except FileExistsError:
        raise CasConflictError(f"{shortened(output)} is there already: name a new file") from None
    except OSError as error:
        raise ValidationError(f"{shortened(output)} cannot be written: {error.strerror}") from None
    with file:
        yield lambda line: _write(file, line)


def _write(file: IO[str], line: str) -> None:
    file.write(line + "\n")
