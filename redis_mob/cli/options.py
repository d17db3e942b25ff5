"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.connection.servers.defaults import URL_VARIABLE

SEAL_KEYS_VARIABLE = "REDIS_MOB_SEAL_KEYS"

UrlOption = Annotated[str | None, typer.Option(help="The storage.", envvar=URL_VARIABLE, show_default="embedded:")]
NamespaceOption = Annotated[str, typer.Option(help="The part of the storage to use.")]
SealKeysOption = Annotated[
    Path | None,
    typer.Option(
        envvar=SEAL_KEYS_VARIABLE,
        help="A file with the keys that seal the secrets of the namespace, one in each line, the newest first.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]
DurabilityOption = Annotated[
    str, typer.Option(help="What the storage is opened with: memory, fsync or replicas:N.", metavar="DURABILITY")
]

MobOption = Annotated[str | None, typer.Option(help="Only runs of this mob.", show_default=False)]
FlowOption = Annotated[str | None, typer.Option(help="Only runs of this flow.", show_default=False)]
StatusOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Only pending, running, completed, failed or canceled ones; may be repeated.", show_default=False
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only runs created since then: ISO 8601, or 2h or 7d ago.", show_default=False),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only runs created before then.", show_default=False)
]
TextOption = Annotated[str | None, typer.Option(help="Only runs whose parameters have this text.", show_default=False)]
