"""The options of `redis-mob backup`, `redis-mob restore` and `redis-mob copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

_Json = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]
_Replace = Annotated[bool, typer.Option("--replace", help="Remove what the namespace has.")]


def backup(
    words: Annotated[list[str], typer.Argument(metavar="FILE | verify FILE...", help="A new file; or files to check.")],
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Only what changed since this backup, made with --follow.", show_default=False
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Note what changes from now on, for the next backup with --since.")
    ] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt the file with the newest of --seal-keys.")
    ] = False,
    as_json: _Json = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Write a namespace to a file while it is in use.

    The file is the namespace as it was at one moment. `backup verify FILE...` checks every byte of a full backup and of
    those that follow it with --since, in their order; it asks no server.

    Exit status: 0 made or whole, 1 the file is there already or another backup is under way, 2 usage error or a
    namespace that does not exist, 3 storage unavailable, a file that is damaged or cannot be written.
    """
    from redis_mob.cli.backup import Making, back_up, verify

    how = Making(since, follow, encrypt)
    if words[0] == "verify":
        verify([Path(word) for word in words[1:]], seal_keys, how, json=as_json)
    else:
        back_up(url, namespace, seal_keys, words, how, json=as_json)


def restore(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="A full backup, then those that follow it.")],
    replace: _Replace = False,
    at: Annotated[
        int | None,
        typer.Option(metavar="CURSOR", help="Only up to the backup that was cut at this cursor.", show_default=False),
    ] = None,
    as_json: _Json = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Write backups to an empty namespace, on any kind of server.

    All files are checked first. Until the end the namespace cannot be opened. If this ends in its middle, do it
    again.

    Exit status: 0 restored, 1 the namespace is not empty, 2 usage error, 3 storage unavailable or a damaged file.
    """
    from redis_mob.cli.backup import restore as restored

    restored(url, namespace, seal_keys, files, replace=replace, at=at, json=as_json)


def copy(
    from_url: Annotated[str, typer.Argument(metavar="FROM", help="The server that has the namespace.")],
    to_url: Annotated[str, typer.Argument(metavar="TO", help="The server that it moves to.")],
    replace: _Replace = False,
    as_json: _Json = False,
    namespace: NamespaceOption = "default",
    to_namespace: Annotated[
        str | None, typer.Option("--to-namespace", metavar="NAME", help="Another name there.", show_default=False)
    ] = None,
    abort: Annotated[
        bool,
        typer.Option("--abort", help="Undo a move that did not end: open the old namespace, and empty the new one."),
    ] = False,
) -> None:
    """Move a namespace to another server while it is used.

    At the end the old one refuses all writes, and cannot be opened any more; the new one has everything. If that fails
    the old one goes on.

    Exit status: 0 moved or undone, 1 the target is not empty, or with --abort the move has ended, 2 usage error,
    3 storage unavailable.
    """
    from redis_mob.cli.backup import abort_copy
    from redis_mob.cli.backup import copy as copied

    if abort:
        abort_copy(from_url, to_url, namespace, to_namespace or namespace, json=as_json)
    else:
        copied(from_url, to_url, namespace, to_namespace or namespace, replace=replace, json=as_json)
