"""Prints the event log as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from redis_mob.cli.console import printable
from redis_mob.cli.event_text import event_line
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import write
from redis_mob.cli.run_argument import run_id_of
from redis_mob.codec.event_json import event_json
from redis_mob.errors import EpochChangedError, EventsTrimmedError, ValidationError, shown
from redis_mob.models.base import U64_MAX
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring

NOW = "now"


class Wanted(NamedTuple):
    """Which events are to be printed, and how."""

    run: str | None
    mob: str | None
    flow: str | None
    kinds: Sequence[str] | None
    after: int | None
    follow: bool
    stay: bool
    as_json: bool


def cursor_of(text: str | None, *, has_run: bool) -> int | None:
    """The cursor that --from names, None for now; without it a run is told from its beginning, all else from now on.

    Raises ValidationError for a text that is neither.
    """
    if text is None:
        return 0 if has_run else None
    if text == NOW:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(U64_MAX)):
        return int(text)
    raise ValidationError(f"--from {shown(text)}: give the cursor of an event, 0 for the beginning, or now")


async def tail(url: str, namespace: str, seal_keys: SealKeyring | None, wanted: Wanted, console: Console) -> None:
    """Print the events until there are no more, or those who read standard output are gone."""
    line_of = event_json if wanted.as_json else event_line
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        following = admin.tail(
            None if wanted.run is None else await run_id_of(admin, wanted.run),
            mob=wanted.mob,
            flow=wanted.flow,
            kinds=wanted.kinds,
            after=wanted.after,
            follow=wanted.follow,
            until_over=not wanted.stay,
        )
        async with following as events:
            while True:
                try:
                    event = await anext(events)
                except (EventsTrimmedError, EpochChangedError) as error:
                    console.out(printable(f"note: {error}"), highlight=False)
                    continue
                except StopAsyncIteration:
                    return
                if not write(f"{line_of(event)}\n"):
                    return
