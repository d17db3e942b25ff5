"""How a mob.db of meerkat is imported, and written: what is printed of it, and how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from redis_mob.cli.console import printable, stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.printing import write
from redis_mob.cli.unsealed import unsealed_told
from redis_mob.errors import ValidationError
from redis_mob.meerkat.exporting import export_database, export_lines, write_lines
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.lines import opened_source
from redis_mob.meerkat.reading import MobDatabase
from redis_mob.models.base import json_text
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage

STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import of a mob.db is asked for."""

    dry_run: bool
    force: bool
    json: bool


async def import_mob_db(url: str, namespace: str, seal_keys: SealKeyring | None, path: Path, wanted: Wanted) -> None:
    """Store a mob.db in a new namespace, and tell what came. Ends with status 1 if a row could not be read."""
    console = stderr_console()
    with opened_source(path) as database, _progress(console, database) as progress:
        if wanted.dry_run:
            report = await import_database(database, None, force=wanted.force, progress=progress)
        else:
            with unsealed_told(console, "what is secret of supervisors and overlays is"):
                async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
                    report = await import_database(database, storage, force=wanted.force, progress=progress)
    if wanted.json:
        print_line(report.as_json())
    else:
        for line in report.lines():
            print_line(printable(line))
    if report.failures:
        raise typer.Exit(ExitStatus.FAILED)


async def export_namespace(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    *,
    mob_db: Path | None,
    lines: Path | None,
    with_secrets: bool,
    json: bool,
) -> None:
    """Write a namespace as a mob.db of 0.6, or as lines of JSON, or both, and tell what is in each file.

    Lines may go to standard output. Raises ValidationError for what cannot.
    """
    if mob_db == STANDARD_OUTPUT:
        raise ValidationError("--mob-db writes a database, which standard output cannot be: name a new file")
    if json and lines == STANDARD_OUTPUT:
        raise ValidationError(
            "--json prints on standard output, where --lines - writes: leave it out, or name a new file"
        )
    async with existing(url, namespace, seal_keys, must_exist=True) as storage:
        if mob_db is not None:
            _told(mob_db, await export_database(storage, mob_db, with_secrets=with_secrets), json=json)
        if lines is not None and lines == STANDARD_OUTPUT:
            _told(lines, await write_lines(storage, write, with_secrets=with_secrets), json=json)
        elif lines is not None:
            _told(lines, await export_lines(storage, lines, with_secrets=with_secrets), json=json)


def _told(path: Path, counts: Counter[str], *, json: bool) -> None:
    if json:
        print_line(json_text({"file": path.name, "counts": dict(counts)}))
        return
    for kind, count in counts.items():
        say(stderr_console(), f"{kind}: {count:,}")


@contextmanager
def _progress(console: Console, database: MobDatabase) -> Generator[Callable[[int], None]]:
    """A bar on a terminal, and nothing elsewhere."""
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rows", total=sum(database.counts.values()))
        yield lambda number: bar.advance(task, number)
