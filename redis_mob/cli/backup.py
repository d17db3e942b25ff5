"""How backups are made, checked and restored, and namespaces moved, by commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis_mob.backup import moving, service
from redis_mob.backup.file_format import BackupFile
from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, shared_url
from redis_mob.cli.results import result_of
from redis_mob.errors import ValidationError
from redis_mob.models.base import json_text

_OF_MEMORY = "what is in memory has no backup"


@dataclass(frozen=True, slots=True)
class Making:
    """What kind of backup is made."""

    since: Path | None
    follow: bool
    encrypt: bool

    @property
    def options(self) -> list[str]:
        """The options that say so."""
        given = {"--since": self.since is not None, "--follow": self.follow, "--encrypt": self.encrypt}
        return [option for option, is_given in given.items() if is_given]


def back_up(
    url: str | None, namespace: str, seal_keys: Path | None, words: Sequence[str], how: Making, *, json: bool
) -> None:
    """Make a backup, and tell of it."""
    with errors_told(stderr_console()):
        if len(words) > 1:
            raise ValidationError(f"a backup is one file, and {len(words)} are named: {', '.join(words)}")
        address = shared_url(url, of_memory=_OF_MEMORY)
        keys = read_seal_keys(seal_keys)
        if how.encrypt and keys is None:
            raise ValidationError("--encrypt needs the key to encrypt with: give --seal-keys FILE")
        console = stderr_console()
        made = service.back_up(
            address,
            namespace,
            Path(words[0]),
            encrypt_with=keys if how.encrypt else None,
            seal_keys=keys,
            since=how.since,
            follow=how.follow,
            note=lambda text: say(console, f"note: {text}"),
        )
        _tell(result_of(made), "backed up", json=json)


def verify(files: Sequence[Path], seal_keys: Path | None, how: Making, *, json: bool) -> None:
    """Check files, and tell of each. Options that say how a backup is made are refused."""
    with errors_told(stderr_console()):
        if how.options:
            raise ValidationError(f"{', '.join(how.options)} is for making a backup: verify takes files alone")
        if not files:
            raise ValidationError("name the files to check: redis-mob backup verify FILE...")
        for one in service.verify(files, read_seal_keys(seal_keys)):
            _tell(one, "whole", json=json)


def restore(
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
    files: Sequence[Path],
    *,
    replace: bool,
    at: int | None,
    json: bool,
) -> None:
    """Restore files, and tell of the last one that was taken."""
    with errors_told(stderr_console()):
        address = shared_url(url, of_memory=_OF_MEMORY, must_exist=False)
        keys = read_seal_keys(seal_keys)
        done = service.restore(address, namespace, files, seal_keys=keys, replace=replace, at=at)
        _tell(result_of(done), "restored", into=namespace, json=json)


def copy(from_url: str, to_url: str, namespace: str, to_namespace: str, *, replace: bool, json: bool) -> None:
    """Move a namespace, and tell the cursor of the switch-over."""
    with errors_told(stderr_console()):
        source = shared_url(from_url, of_memory=_OF_MEMORY)
        target = shared_url(to_url, of_memory=_OF_MEMORY, must_exist=False)
        cursor = result_of(moving.move(source, namespace, target, to_namespace, replace=replace))
        if json:
            print_line(json_text({"namespace": to_namespace, "cursor": cursor}))
        else:
            place = moving.named_place(target, to_namespace)
            print_line(f"moved at cursor {cursor}: the old namespace cannot be opened any more; use {place}")


def abort_copy(from_url: str, to_url: str, namespace: str, to_namespace: str, *, json: bool) -> None:
    """Undo a move that has not ended, and tell that it is undone."""
    with errors_told(stderr_console()):
        source = shared_url(from_url, of_memory=_OF_MEMORY)
        target = shared_url(to_url, of_memory=_OF_MEMORY, must_exist=False)
        result_of(moving.abort_move(source, namespace, target, to_namespace))
        if json:
            print_line(json_text({"namespace": namespace, "aborted": True}))
        else:
            print_line(f"namespace {namespace} takes writes again where it was")


def _tell(one: BackupFile, done: str, *, into: str | None = None, json: bool) -> None:
    """Tell of a file, and with `into` of the namespace that it was restored to, which may have another name."""
    of = one.header.namespace
    if json:
        told: dict[str, Any] = {
            "file": str(one.path),
            "id": one.header.id,
            "namespace": into or of,
            "backup_of": of,
            "cursor": one.trailer.cursor,
            "epoch": one.trailer.epoch,
            "digest": one.digest,
            "base": one.header.base,
            "records": one.trailer.records,
            "key_id": one.header.key_id,
            "follows": one.trailer.follows,
        }
        print_line(json_text(told))
    else:
        named = f"namespace {into or of}" if into in (None, of) else f"namespace {into}, which was {of},"
        notes = ", what changes since is noted" if one.trailer.follows and into is None else ""
        print_line(f"{one.path}: {done}, {named} at cursor {one.trailer.cursor}, id {one.header.id}{notes}")
