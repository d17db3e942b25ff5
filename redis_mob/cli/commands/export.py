"""The options of `redis-mob export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption
from redis_mob.cli.run_choice import RunChoice, choosing_runs


@choosing_runs
def export(
    choice: RunChoice,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Their ids, or what these begin with.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All runs to which the conditions apply.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write them to a new file instead of standard output.", show_default=False),
    ] = None,
    mob_db: Annotated[
        Path | None,
        typer.Option(
            "--mob-db",
            metavar="FILE",
            help="Write the whole namespace as a new mob.db of meerkat 0.6.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(
            "--lines",
            metavar="FILE",
            help="Write the whole namespace as lines of JSON to a new file; - is standard output.",
            show_default=False,
        ),
    ] = None,
    with_secrets: Annotated[
        bool,
        typer.Option("--with-secrets", help="Write the keys of supervisors and bootstrap tokens too, in clear."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tell what is in FILE as one JSON object.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Write runs whole, as lines of JSON, for `redis-mob import`.

    Each line is a run with its states, outputs, ledgers, executions, events and what was published of it, or a
    definition that runs have. Nothing of the runs is changed.

    With --mob-db it is a database with events, runs, specs, overlays and realm profiles, which the stores of meerkat
    0.6 open, and `redis-mob import`; with --lines the same, and records, as lines of JSON. The file is there when it
    is complete.

    Exit status: 0 written, 1 the file is there already, 2 usage error or an unknown run, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.transfer import export_runs
    from redis_mob.errors import ValidationError

    with errors_told(stderr_console()):
        if mob_db is not None or lines is not None:
            from redis_mob.cli.meerkat_transfer import export_namespace

            if runs or everything or output is not None or choice.is_given:
                raise ValidationError(
                    "--mob-db and --lines write a whole namespace: leave out RUN, --all, --output and conditions"
                )
            address = shared_url(url, of_memory="no other process has data there")
            keys = read_seal_keys(seal_keys)
            asyncio.run(
                export_namespace(
                    address, namespace, keys, mob_db=mob_db, lines=lines, with_secrets=with_secrets, json=as_json
                )
            )
            return
        if with_secrets or as_json:
            raise ValidationError("--with-secrets and --json are for --mob-db FILE and --lines FILE")
        which = choice.conditions()
        choice.require_named_or_all(runs or (), everything=everything)
        address = shared_url(url, of_memory="no other process has runs there")
        to = None if output == Path("-") else output
        asyncio.run(export_runs(address, namespace, read_seal_keys(seal_keys), runs, which, to))
