"""How a namespace stores payloads: shown, changed, and swept of blobs that belong to no run."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import typer

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, shared_url
from redis_mob.cli.existing import existing
from redis_mob.cli.results import result_of
from redis_mob.cli.words import size_text
from redis_mob.models.base import json_text
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.storage import MobStorage

NOWHERE = "none"
"""What is given in place of a place for blobs, so that there are none."""


def either(name: str, wanted: bool, unwanted: bool) -> bool | None:
    """What an option and its opposite say, None if neither is given. A usage error if both are."""
    if wanted and unwanted:
        raise typer.BadParameter(f"give --{name} or --no-{name}, not both")
    return wanted or (False if unwanted else None)


class Wanted(NamedTuple):
    """What is to be changed; None for what stays."""

    compress: bool | None
    seal: bool | None
    blobs: str | None
    above: int | None

    def applied_to(self, settings: PayloadSettings) -> PayloadSettings:
        """The settings with the change. Raises ValidationError for those that may not be."""
        given = {name: value for name, value in self._asdict().items() if value is not None}
        if self.blobs is not None:
            given["blobs"] = None if self.blobs == NOWHERE else _place(self.blobs)
        return replace(settings, **given)


def payload_settings(
    url: str | None, namespace: str, seal_keys: Path | None, wanted: Wanted, *, sweeps: bool, json: bool
) -> None:
    """Change what is wanted, sweep if that is asked for, and show how payloads are stored. Errors end the command."""
    console = stderr_console()
    with errors_told(console):
        address = shared_url(url, of_memory="nothing is stored there")
        settings, is_changed, swept = result_of(_done(address, namespace, seal_keys, wanted, sweeps=sweeps))
    if is_changed:
        say(
            console,
            "note: workers and services that are running store them as before, and cannot read what others write now: "
            "start them anew",
        )
    if sweeps:
        say(console, f"blobs of {swept:,} {'run' if swept == 1 else 'runs'} were deleted")
    if json:
        print_line(json_text(asdict(settings)))
        return
    print_line(f"compressed: {'yes, by zstd' if settings.compress else 'no'}")
    print_line(f"sealed:     {'yes, AES-256-GCM' if settings.seal else 'no'}")
    large = "no" if settings.blobs is None else f"at {settings.blobs}, those above {size_text(settings.above)}"
    print_line(f"blobs:      {large}")


async def _done(
    url: str, namespace: str, seal_keys: Path | None, wanted: Wanted, *, sweeps: bool
) -> tuple[PayloadSettings, bool, int]:
    keys = read_seal_keys(seal_keys)
    async with existing(url, namespace, keys) as storage:
        before = storage.payloads
        swept = await storage.sweep_blobs() if sweeps else 0
    changed = wanted.applied_to(before)
    if changed == before:
        return before, False, swept
    async with MobStorage.open(url, namespace=namespace, seal_key=keys, payloads=changed) as storage:
        return storage.payloads, True, swept


def _place(blobs: str) -> str:
    return blobs if "://" in blobs else Path(blobs).absolute().as_uri()
