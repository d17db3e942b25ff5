"""The options of `redis-mob import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import JsonOfEachOption, NamespaceOption, SealKeysOption, SharedUrlOption


def import_runs(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="What `redis-mob export` has written, - is standard input; or a mob.db of meerkat."
        ),
    ],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave runs as they are that are there already.")
    ] = False,
    include_unfinished: Annotated[
        bool, typer.Option("--include-unfinished", help="Take runs too that are not over: they go on here.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read a whole namespace, and tell what would come. Nothing is stored.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Read a mob.db of a newer release of meerkat as far as it is known.")
    ] = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Store exported runs, or a whole namespace.

    Each run is stored as a whole or not at all; its events come behind all others of the log. It stops at the first
    run that is there already. When it is interrupted, do it again with --skip-existing.

    A mob.db of meerkat 0.6.0 to 0.9.8, or what `redis-mob export --lines` has written, goes into a new namespace, with
    its cursors and revisions; other programs may have a mob.db open. When that is interrupted, do it again: it goes on
    where it was.

    Exit status: 0 all are stored, 1 a run or the namespace is there already, a run is not over, or rows of a mob.db
    could not be read, 2 usage error or no such file, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.import_source import name_of, source_of
    from redis_mob.cli.transfer import Wanted, import_lines

    with errors_told(stderr_console()), source_of(file) as source:
        if isinstance(source, Path):
            from redis_mob.cli import meerkat_transfer as meerkat

            _refuse(
                f"{name_of(file)} has a namespace", skip_existing=skip_existing, include_unfinished=include_unfinished
            )
            address = url if dry_run else shared_url(url, of_memory="no other process would see what is imported")
            wanted = meerkat.Wanted(dry_run=dry_run, force=force, json=as_json)
            keys = None if dry_run else read_seal_keys(seal_keys)
            asyncio.run(meerkat.import_mob_db(address or "", namespace, keys, source, wanted))
            return
        _refuse(f"{name_of(file)} has exported runs", dry_run=dry_run, force=force)
        address = shared_url(url, of_memory="no other process has runs there")
        of_runs = Wanted(skip_existing=skip_existing, include_unfinished=include_unfinished, json=as_json)
        asyncio.run(import_lines(address, namespace, read_seal_keys(seal_keys), source, of_runs))


_MEANT_FOR = {
    "skip_existing": "exported runs",
    "include_unfinished": "exported runs",
    "dry_run": "a mob.db, or what `redis-mob export --lines` writes",
    "force": "a mob.db",
}


def _refuse(what: str, **options: bool) -> None:
    """Raises ValidationError for an option that means nothing for this kind of file."""
    from redis_mob.errors import ValidationError

    for name, is_given in options.items():
        if is_given:
            raise ValidationError(f"--{name.replace('_', '-')} is for {_MEANT_FOR[name]}: {what}")
