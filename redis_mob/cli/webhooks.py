"""Webhooks as commands show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis_mob.cli.columns import print_columns
from redis_mob.cli.console import printable, stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.words import duration_text, time_text
from redis_mob.codec.webhooks import shown_target
from redis_mob.models.base import json_text
from redis_mob.models.webhook import DeadLetter, StoredWebhook
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.webhooks.targets import VARIABLE, Targets

_NO_WORKER = "no worker"
_WHO_DELIVERS = (
    f"one delivers webhooks if it has httpx (pip install 'redis-mob[http]') and its {VARIABLE} is not {Targets.OFF}"
)


def as_object(stored: StoredWebhook, *, with_secret: bool = False) -> dict[str, Any]:
    """All that is known of one; its secret only where that is wanted."""
    told = stored.model_dump(mode="json", exclude={"secret", "webhook", "progress", "revision"})
    webhook = stored.webhook.model_dump(mode="json")
    secret = {"secret": stored.secret} if with_secret else {}
    progress = stored.progress.model_dump(mode="json", exclude={"marks", "done", "revision"})
    return {**webhook, **secret, **told, "progress": progress}


def show_created(stored: StoredWebhook, *, json: bool) -> None:
    """A webhook that was made, and its secret, which is shown here alone."""
    if json:
        print_line(json_text(as_object(stored, with_secret=True)))
        return
    print_line(f"webhook {printable(stored.webhook.name)} posts to {printable(shown_target(stored.webhook.url))}")
    print_line(f"secret  {stored.secret}")


async def seen_webhooks(admin: FleetAdmin) -> tuple[tuple[StoredWebhook, ...], int]:
    """All webhooks, and how many workers are alive."""
    return await admin.webhooks(), len(await admin.workers())


def show_seen(seen: tuple[tuple[StoredWebhook, ...], int], *, json: bool) -> None:
    """A row, or an object, for each webhook; and why workers that are alive may deliver none."""
    found, workers = seen
    show_webhooks(found, json=json)
    if workers and any(_state(stored) == _NO_WORKER for stored in found):
        say(
            stderr_console(), f"note: {workers} {'worker is' if workers == 1 else 'workers are'} alive; {_WHO_DELIVERS}"
        )


def show_webhooks(found: Sequence[StoredWebhook], *, json: bool) -> None:
    """A row, or an object, for each webhook."""
    if json:
        for stored in found:
            print_line(json_text(as_object(stored)))
        return
    if not found:
        print_line("no webhooks")
        return
    rows = [
        (
            stored.webhook.name,
            shown_target(stored.webhook.url),
            _state(stored),
            str(stored.progress.cursor),
            str(stored.progress.delivered),
            str(len(stored.progress.held)),
            str(stored.dead_letters),
            stored.webhook.pause_reason or stored.progress.note or "",
        )
        for stored in found
    ]
    names = ("NAME", "URL", "STATE", "CURSOR", "DELIVERED", "HELD UP", "DEAD", "")
    print_columns(names, rows, right=("CURSOR", "DELIVERED", "HELD UP", "DEAD"), below=("URL", ""))


def show_webhook(stored: StoredWebhook, *, json: bool) -> None:
    """All that is known of one, but its secret."""
    if json:
        print_line(json_text(as_object(stored)))
        return
    webhook, progress = stored.webhook, stored.progress
    of = [f"mob {webhook.mob_id}" if webhook.mob_id else "", f"flow {webhook.flow_id}" if webhook.flow_id else ""]
    of += [", ".join(webhook.kinds or ())]
    last = "" if progress.delivered_at is None else f", the last one at {time_text(progress.delivered_at)}"
    note = (
        "" if progress.note is None or progress.note_at is None else f"{time_text(progress.note_at)}: {progress.note}"
    )
    dropped = f", {stored.dropped} older ones were dropped" if stored.dropped else ""
    told = [
        ("name", webhook.name),
        ("url", shown_target(webhook.url)),
        ("events", "; ".join(one for one in of if one) or "all"),
        ("attempts", f"up to {webhook.max_attempts}, each up to {duration_text(webhook.timeout.total_seconds())}"),
        ("state", _state(stored)),
        ("reason", webhook.pause_reason or ""),
        ("cursor", str(progress.cursor)),
        ("delivered", f"{progress.delivered}{last}"),
        ("dead", f"{stored.dead_letters}{dropped}"),
        ("missed", str(progress.missed) if progress.missed else ""),
        ("note", note),
        ("rests", "" if progress.rest_until is None else f"until {time_text(progress.rest_until)}"),
    ]
    for name, text in told:
        if text:
            print_line(f"{name:11}{printable(text)}")
    for held in progress.held:
        print_line(
            f"{'held up':11}{printable(held.lane)} since {time_text(held.since)}: event {held.cursor}, "
            f"{held.attempts} attempts, next at {time_text(held.next_at)}: {printable(held.error)}"
        )


def show_letters(letters: Sequence[DeadLetter], *, json: bool) -> None:
    """A row, or an object, for each dead letter."""
    if json:
        for letter in letters:
            print_line(letter.model_dump_json())
        return
    if not letters:
        print_line("no dead letters")
        return
    rows = [
        (str(one.cursor), time_text(one.at), one.kind, one.run_id or "-", str(one.attempts), one.error)
        for one in letters
    ]
    names = ("CURSOR", "AT", "KIND", "RUN", "ATTEMPTS", "ERROR")
    print_columns(names, rows, right=("CURSOR", "ATTEMPTS"), ids=("RUN",), whole=("AT",), below=("ERROR",))


def _state(stored: StoredWebhook) -> str:
    if stored.webhook.paused:
        return "paused"
    return "active" if stored.turn_until is not None else _NO_WORKER
