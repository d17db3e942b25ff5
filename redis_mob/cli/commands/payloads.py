"""The options of `redis-mob payloads`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def payloads(
    compress: Annotated[bool, typer.Option("--compress", help="Store them compressed.")] = False,
    no_compress: Annotated[bool, typer.Option("--no-compress", help="Do not compress them.")] = False,
    seal: Annotated[bool, typer.Option("--seal", help="Encrypt them with the newest of --seal-keys.")] = False,
    no_seal: Annotated[bool, typer.Option("--no-seal", help="Do not encrypt them.")] = False,
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
    """Show or change how payloads are stored.

    These are what users and handlers say: parameters, messages, outputs, signals, failures. A change counts for what is
    written from now on, by all that open the namespace after it: start workers and services anew. What was written
    before is read as ever.

    Exit status: 0 shown or changed, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.payloads import Wanted, either, payload_settings

    wanted = Wanted(either("compress", compress, no_compress), either("seal", seal, no_seal), blobs, above)
    payload_settings(url, namespace, seal_keys, wanted, sweeps=sweep, json=as_json)
