"""How a command ends: its results on standard output, its errors as one message and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Generator
from typing import NoReturn

import typer
from rich.console import Console

from redis_mob.cli.display import printable
from redis_mob.cli.worker_link import ExitStatus
from redis_mob.cli.workers import WorkersLostError
from redis_mob.connection.servers.address import MemoryAddress
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
    try:
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader is gone; the flush at exit must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
