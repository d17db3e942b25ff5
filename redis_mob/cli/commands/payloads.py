"""The options of `redis-mob payloads`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def payloads(
    compress: Annotated[
        bool | None,
        typer.Option("--compress/--no-compress", help="Store them compressed, or not.", show_default=False),
    ] = None,
    seal: Annotated[
        bool | None,
        typer.Option(
            "--seal/--no-seal", help="Encrypt them with the newest of --seal-keys, or not.", show_default=False
        ),
    ] = None,
    blobs: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where large ones go: a directory that all hosts share, s3://bucket/prefix, or none.",
            show_default=False,
        ),
    ] = None,
    above: Annotated[
        int | None,
        typer.Option(metavar="BYTES", help="How many bytes make a payload a large one.", show_default=False),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Delete blobs of runs that are not there; those of the last hour stay.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show or change how what users and handlers say is stored: parameters, outputs, signals, failures.

    A change counts for what is written from now on, by all that open the namespace after it: start workers and services
    anew. What was written before is read as ever.

    Exit status: 0 shown or changed, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.payloads import Wanted, payload_settings

    payload_settings(url, namespace, seal_keys, Wanted(compress, seal, blobs, above), sweeps=sweep, json=as_json)
