"""Shows a run as it goes on, to its end, from a storage alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

from rich.console import Console

from redis_mob.cli.console import printable
from redis_mob.cli.display import Display, display
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import write
from redis_mob.cli.report import RunReport, report
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.words import clock_text
from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import (
    MobStoreError,
    NotFoundError,
    ProgressTrimmedError,
    ReadFailedError,
    StorageUnavailableError,
)
from redis_mob.fleet.run_wait import held_up_beside
from redis_mob.fleet.unserved import UnservedNews
from redis_mob.fleet.watching import watch
from redis_mob.models.base import json_text
from redis_mob.models.progress import ProgressEntry, ProgressReport, RunOver, StreamChunk, StreamEnd, StreamReset
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.inspection import stored_run
from redis_mob.operations.run_description import RunDescription
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage

LOOK_PAUSE = 0.05
"""Least seconds between two looks at the run, so that looking never becomes the work."""


async def loaded(storage: MobStorage, run_id: str) -> RunView:
    """A run that was there a moment ago. Raises StorageUnavailableError once the storage is away."""
    try:
        view = await storage.executions.load(run_id)
    except ReadFailedError as error:
        raise StorageUnavailableError(f"the storage was lost while run {run_id} was under way: {error}") from error
    if view is None:
        raise NotFoundError(f"run {run_id} is gone: the storage was emptied meanwhile")
    return view


async def reported(storage: MobStorage, run_id: str, after: int) -> RunReport:
    """The report on a run whose events come after this cursor."""
    view = await loaded(storage, run_id)
    definition = await storage.executions.get_definition(view.launch.definition)
    return await report(storage, view, flow_of_run(definition, view.run), after)


async def told(watching: AbstractAsyncContextManager[AsyncIterator[ProgressEntry]], shown: Display) -> None:
    """Show what handlers tell while they are at work. It is for people alone: without it the run goes on."""
    with suppress(MobStoreError):  # looking at the run says so
        async with watching as progress:
            while True:
                try:
                    async with asyncio.timeout(shown.wait()):
                        entry = await anext(progress)
                except TimeoutError:
                    entry = None
                except ProgressTrimmedError:
                    continue  # more was told than is kept: the latest counts
                except StopAsyncIteration:
                    return
                shown.tell(entry)


async def watched(
    url: str, namespace: str, seal_keys: SealKeyring | None, run: str, console: Console
) -> RunDescription:
    """Show a run until it is over, as `redis-mob run` does; how it has ended."""
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        run_id = await run_id_of(admin, run)
        await show_to_the_end(storage, run_id, console)
        return await admin.describe(run_id)


async def show_to_the_end(storage: MobStorage, run_id: str, console: Console) -> None:
    """Show a run that other processes drive, until it is over."""
    stored = await stored_run(storage, run_id)
    with display(console, stored.flow, stored.spans()) as shown:
        telling = asyncio.ensure_future(told(watch(storage.progress, run_id), shown))
        try:
            await _shown_to_the_end(storage, run_id, shown)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


async def _shown_to_the_end(storage: MobStorage, run_id: str, shown: Display) -> None:
    news = UnservedNews(partial(held_up_beside, storage, run_id))
    async with storage.executions.listen(run_id) as wake_up:
        while True:
            view = await loaded(storage, run_id)
            shown.show(view, len(await storage.executions.workers()))
            if view.run.status.is_terminal:
                return
            for line in await news.since():
                shown.note(line)
            await asyncio.sleep(LOOK_PAUSE)
            await wake_up.wait(SWEEP_SECONDS)


async def listed(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    run: str,
    topic: str | None,
    after: int | None,
    console: Console,
    *,
    as_json: bool,
) -> MobRunStatus | None:
    """Print what the handlers of a run tell, an entry a line, until it is over: how it has ended.

    None if those who read standard output are gone.
    """
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        async with admin.watch(await run_id_of(admin, run), topic, after) as progress:
            while True:
                try:
                    entry = await anext(progress)
                except ProgressTrimmedError as error:
                    console.out(printable(f"note: {error}"), highlight=False)
                    continue
                if not write(f"{entry.model_dump_json() if as_json else entry_line(entry)}\n"):
                    return None
                if isinstance(entry, RunOver):
                    return entry.status


def entry_line(entry: ProgressEntry) -> str:
    """An entry in words, on one line."""
    if isinstance(entry, RunOver):
        return f"{entry.offset}  run {entry.status}"
    iteration = "" if entry.iteration is None else f" iteration {entry.iteration + 1}"
    return printable(
        f"{entry.offset}  {clock_text(entry.at)}  step {entry.step_id}[{entry.member}]{iteration}  {_words(entry)}"
    )


def _words(entry: ProgressReport | StreamChunk | StreamReset | StreamEnd) -> str:
    match entry:
        case ProgressReport():
            percent = None if entry.fraction is None else f"{entry.fraction:.0%}"
            data = None if entry.data is None else json_text(entry.data)
            return "  ".join(one for one in (percent, entry.message, data) if one) or "is at work"
        case StreamChunk():
            lost = f" ({entry.lost:,} chunks before it were lost)" if entry.lost else ""
            value = entry.value if isinstance(entry.value, str) else json_text(entry.value)
            return f"{entry.topic}: {value}{lost}"
        case StreamReset():
            return f"attempt {entry.attempt} begins: what it told before is void"
        case StreamEnd():
            return "has returned" if entry.succeeded else "has failed"
