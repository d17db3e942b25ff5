"""A program as a handler: the step on its standard input, its answer on its standard output.

There is no shell between them: arguments are what they are, and nothing in a message is ever run.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from redis_mob.codec.arguments import integer, integers, listed, valid_text
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.said import MOST_SAID
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.pipes import Kept, emptied, input_file, keep_first, keep_last, pipe_for_output
from redis_mob.handlers.request import message_text, request_bytes
from redis_mob.handlers.secrets import HIDDEN, checked_texts, most_encoded, without
from redis_mob.models.base import json_text

GRACE_SECONDS = 2.0
"""How long a program has between SIGTERM and SIGKILL, unless it is said otherwise."""

MOST_GRACE_SECONDS = 4.0
"""The longest grace: after five seconds its worker takes a handler for one that ignores its cancellation."""

STDERR_KEPT = 16 * 1024
"""Bytes of standard error that are kept, the last ones."""

BASICS = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
"""Variables that a program gets from the worker, beside those that begin with LC_: it needs them to run at all. All
others stay here, since there may be secrets among them: REDIS_MOB_URL, seal keys, keys of providers."""

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOEXEC)
"""Errors of a start that another attempt would meet as well."""

Input = Literal["json", "message"]
Output = Literal["json", "text"]


def command(
    program: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Input = "json",
    stdout: Output = "json",
    no_retry: Collection[int] = (),
    grace: float = GRACE_SECONDS,
    max_output_bytes: int | None = None,
) -> Command:
    """A handler that runs a program with its arguments, and returns what that writes to standard output.

    The program reads the step as one JSON object (see docs/handlers.md), or with `stdin="message"` the text of its
    message. Its output is read as JSON, nothing at all as null; with `stdout="text"` it is the text itself. It gets
    PATH, HOME and the like of the worker, and what is in `env`, but no other variable. The working directory is `cwd`,
    that of the worker unless it is given.

    An exit status other than 0 fails the attempt, with the status and the last 16 KiB of standard error; after a status
    in `no_retry` there is no further attempt, and neither if there is no such program. At the deadline, on
    cancellation, and when its worker drains, the program gets SIGTERM with all processes of its group, and SIGKILL
    after `grace` seconds. What it leaves running in its group when it ends is killed, a process that has left the group
    is not waited for. A worker that is killed itself cannot do that:
    its program runs on beside the next attempt, so that it should pass on the idempotency key.

    More than `max_output_bytes` on standard output, which is the limit of the definition unless it is given, fails the
    step. Values of `env` stand in no failure. Raises ValidationError for arguments that make no sense.
    """
    return Command(
        program,
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        no_retry=no_retry,
        grace=grace,
        max_output_bytes=max_output_bytes,
    )


class Command:
    """A handler that runs a program; see `command`, which makes it."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        cwd: str | Path | None,
        env: Mapping[str, str] | None,
        stdin: Input,
        stdout: Output,
        no_retry: Collection[int],
        grace: float,
        max_output_bytes: int | None,
    ) -> None:
        self._program = [valid_text(f"program[{n}]", one) for n, one in enumerate(listed("program", program))]
        if not self._program or not self._program[0]:
            raise ValidationError("program must be a list with the name of a program and its arguments")
        if stdin not in get_args(Input):
            raise ValidationError(f"stdin must be 'json' or 'message', not {shown(stdin)}")
        if stdout not in get_args(Output):
            raise ValidationError(f"stdout must be 'json' or 'text', not {shown(stdout)}")
        if not isinstance(grace, int | float) or not 0 <= grace <= MOST_GRACE_SECONDS:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"grace must be from 0 to {MOST_GRACE_SECONDS:g} seconds, not {shown(grace)}")
        self._env = checked_texts("env", env)
        if any("\0" in one for one in (*self._program, *self._env, *self._env.values(), str(cwd or ""))):
            raise ValidationError("program, env and cwd must be without NUL characters")
        if cwd is not None and not isinstance(cwd, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"cwd must be the path of a folder, not {shown(cwd)}")
        if (wrong := next((name for name in self._env if not name or "=" in name), None)) is not None:
            raise ValidationError(f"env: the name of a variable must not be empty or have a '=', as {shown(wrong)} has")
        self._cwd = None if cwd is None else str(cwd)
        self._stdin = stdin
        self._stdout = stdout
        self._no_retry = integers("no_retry", no_retry)
        self._grace = grace
        self._most = None if max_output_bytes is None else integer("max_output_bytes", max_output_bytes, least=0)

    def __repr__(self) -> str:
        return without(f"command({self._program!r})", self._secrets)

    @property
    def _secrets(self) -> list[str]:
        """The variables that it was given, but for those that every program has: HOME is in every path."""
        return [value for name, value in self._env.items() if not _is_basic(name)]

    async def __call__(self, ctx: StepContext) -> Any:
        """What the program answers. Raises StepFailed saying how it ended instead, without its variables."""
        told = request_bytes(ctx) if self._stdin == "json" else message_text(ctx.message).encode()
        most = ctx.profile.max_output_bytes if self._most is None else self._most
        async with pipe_for_output() as stdout, pipe_for_output() as stderr:
            with stdout.write_end as output, stderr.write_end as errors:
                process = await self._started(told, output, errors)
            said, complaints = await self._to_its_end(process, stdout.reader, stderr.reader, most)
        if said is None:
            raise StepFailed(
                f"{self._name} wrote more than {most:,} bytes to standard output; let it write what is large to a "
                "file, and return where that is",
                retryable=False,
                detail=self._detail(process.returncode, complaints),
            )
        if process.returncode:
            raise self._failure(process.returncode, complaints)
        return self._read(said, complaints)

    async def _to_its_end(
        self,
        process: asyncio.subprocess.Process,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        most: int,
    ) -> tuple[bytes | None, bytes]:
        """What the program writes to standard output, None if that is too much, and the end of its standard error.

        It has ended when this returns or raises, with all that it has started.
        """
        said, complaints = Kept(), Kept()
        saying = asyncio.create_task(keep_first(stdout, most, said))
        complaining = asyncio.create_task(keep_last(stderr, STDERR_KEPT + most_encoded(self._secrets), complaints))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({saying, ended}, return_when=asyncio.FIRST_COMPLETED)
            if said.came <= most:
                await asyncio.wait({ended})
            # Processes that it has started may hold its pipes open, and some may have left its group. What it wrote
            # itself is still read.
            _signal_group(process, signal.SIGKILL)
            await emptied({saying: said, complaining: complaints})
            return None if said.came > most else bytes(said.data), bytes(complaints.data)
        except asyncio.CancelledError:
            _signal_group(process, signal.SIGTERM)
            await asyncio.wait({ended}, timeout=self._grace)
            raise
        finally:
            _signal_group(process, signal.SIGKILL)
            saying.cancel()
            complaining.cancel()
            await asyncio.wait({saying, complaining, ended})

    @property
    def _name(self) -> str:
        return f"program {shown(self._hidden(self._program[0]))}"

    def _hidden(self, text: str) -> str:
        return without(text, self._secrets)

    async def _started(self, told: bytes, output: BinaryIO, errors: BinaryIO) -> asyncio.subprocess.Process:
        env = {name: value for name, value in os.environ.items() if _is_basic(name)}
        try:
            with input_file(told) as given:
                return await asyncio.create_subprocess_exec(
                    *self._program,
                    stdin=given,
                    stdout=output,
                    stderr=errors,
                    cwd=self._cwd,
                    env=env | self._env,
                    start_new_session=True,
                )
        except OSError as error:
            what = (
                f"working directory {shown(self._hidden(self._cwd or ''))}"
                if error.filename == self._cwd
                else self._name
            )
            # what is not there is not there the next time; a table of processes that is full is not for long
            raise StepFailed(
                f"{what} cannot be started: {error.strerror}", retryable=error.errno not in NOT_THERE
            ) from None

    def _failure(self, status: int, errors: bytes) -> StepFailed:
        how = f"ended with exit status {status}" if status > 0 else f"was ended by signal {_signal_name(-status)}"
        lines = self._complaints(errors).splitlines()
        last = next((line for line in reversed(lines) if line.strip()), None)
        return StepFailed(
            f"{self._name} {how}" + (f": {shown(last.strip())}" if last else ""),
            retryable=status not in self._no_retry,
            detail=self._detail(status, errors),
        )

    def _read(self, output: bytes, errors: bytes) -> Any:
        try:
            text = output.decode()
            if self._stdout == "text":
                return text
            return json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            wanted = "UTF-8" if isinstance(error, UnicodeDecodeError) else "JSON"
            hidden = self._hidden(output.decode(errors="surrogateescape")).replace(HIDDEN, "...")
            raise StepFailed(
                f"{self._name} wrote to standard output what is no {wanted}: "
                f"{shown(hidden.encode(errors='surrogateescape'))}; what is meant for people "
                "belongs on standard error",
                detail=self._detail(0, errors),
            ) from None

    def _complaints(self, errors: bytes) -> str:
        """The end of standard error."""
        cut = most_encoded(self._secrets)
        hidden = self._hidden(_text(errors)).encode(errors="replace")
        if len(errors) >= STDERR_KEPT + cut:
            hidden = hidden[cut:]  # where it was cut off there may be the rest of a variable
        return _text(hidden[-STDERR_KEPT:])

    def _detail(self, status: int | None, errors: bytes) -> dict[str, Any]:
        """What is kept with the failure: as much of the end of standard error as has room there."""
        detail = {"exit_status": status, "stderr": self._complaints(errors)}
        while len(json_text(detail).encode()) > MOST_SAID:  # JSON writes some characters as six
            text = str(detail["stderr"])
            detail["stderr"] = text[len(text) // 8 + 1 :]
        return detail


def _is_basic(name: str) -> bool:
    return name in BASICS or name.startswith("LC_")


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all have ended; macOS says so of those not yet waited for
        os.killpg(process.pid, number)


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
