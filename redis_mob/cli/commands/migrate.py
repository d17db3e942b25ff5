"""The options of `redis-mob migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import JsonOption, NamespaceOption, SealKeysOption, SharedUrlOption


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only tell what would be done; nothing is changed.")] = False,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Bring a namespace into the form of this release.

    What older releases have left is counted and indexed, and the schema version raised, which keeps those releases out.
    It tells the form of the namespace, what is done, and which living workers are of another release. It does not begin
    while a worker is alive that could not go on. It may be interrupted, and goes on when it is called again; workers go
    on meanwhile.

    Exit status: 0 nothing is left to do, 1 a migration is needed or another one has taken over, 2 it is impossible, a
    usage error or no such namespace, 3 storage unavailable or damaged.
    """
    from redis_mob.cli.migrating import migrate_namespace

    raise typer.Exit(migrate_namespace(url, namespace, seal_keys, check=check, json=as_json))
