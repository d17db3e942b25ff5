"""How a command ends: its results on standard output, its errors as one message and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import NoReturn

import typer
from rich.console import Console

from redis_mob.cli.console import printable
from redis_mob.cli.exit_status import ExitStatus, WorkersLostError
from redis_mob.cli.printing import write
from redis_mob.connection.servers.address import EmbeddedAddress, MemoryAddress
from redis_mob.connection.servers.defaults import URL_VARIABLE
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import (
    CasConflictError,
    DefinitionError,
    HandlerError,
    KernelError,
    NotFoundError,
    RedisMobError,
    StorageUnavailableError,
    ValidationError,
    shortened,
)

USAGE_ERRORS = (DefinitionError, HandlerError, NotFoundError, ValidationError)


def usable_url(url: str | None, *, of_memory: str) -> str:
    """The URL of the storage; a bad one is a storage that cannot be reached, and the message shows no password."""
    named = storage_url(url)
    try:
        address = parse_address(named)
    except ValidationError as error:
        raise StorageUnavailableError(str(error)) from None
    if isinstance(address, MemoryAddress):
        raise StorageUnavailableError(f"{address.url}: {of_memory}")
    return named


def shared_url(url: str | None, *, of_memory: str, must_exist: bool = True) -> str:
    """The same for commands whose work is on a server that others share: a new private one has none of it.

    Raises ValidationError where the URL would start one; with `must_exist` also for a directory that is not there.
    """
    named = usable_url(url, of_memory=of_memory)
    address = parse_address(named)
    if isinstance(address, EmbeddedAddress):
        if address.directory is None:
            asked = f"without --url and {URL_VARIABLE}" if url is None else f"{named} means that"
            raise ValidationError(
                f"{asked} a new, empty server would be started, which no other process uses: name the one that is "
                f"meant with --url or {URL_VARIABLE}, as in --url redis://host:6379; embedded:/path joins the server "
                "of a process that has this directory open"
            )
        if must_exist and not address.directory.is_dir():
            raise ValidationError(f"{address.url}: there is no directory {shortened(address.directory)}")
    return named


@contextlib.contextmanager
def errors_told(console: Console) -> Generator[None]:
    """Turns an error of the library, or an interrupt, into its message and exit status."""
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt) as error:
        _end(console, "interrupted", error, ExitStatus.FAILED)
    except USAGE_ERRORS as error:
        _end(console, f"error: {error}", error, ExitStatus.USAGE)
    except (WorkersLostError, KernelError, CasConflictError) as error:
        _end(console, f"error: {error}", error, ExitStatus.FAILED)
    except RedisMobError as error:
        _end(console, f"error: {error}", error, ExitStatus.STORAGE)


def _end(console: Console, message: str, error: BaseException, status: ExitStatus) -> NoReturn:
    # the notes say what else is to be known, as that something could not be cleaned up
    for line in (*message.split("\n"), *getattr(error, "__notes__", ())):
        say(console, line)
    raise typer.Exit(status)


def say(console: Console, line: str) -> None:
    console.out(printable(line), highlight=False)


def print_line(text: str) -> None:
    """Write a line to standard output, as UTF-8 in any locale."""
    write(f"{text}\n")
