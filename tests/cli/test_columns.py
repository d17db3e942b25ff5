"""Tables of the commands: they fit a terminal without a break inside of a word, and are whole in a pipe."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from redis_mob.cli import columns
from redis_mob.cli.columns import table_lines
from redis_mob.cli.fleet_view import SeenWorker, show_queues, show_workers
from redis_mob.cli.printing import Paper
from redis_mob.cli.usage import show_releases
from redis_mob.cli.webhooks import show_webhooks
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.webhook import StoredWebhook, WebhookProgress
from redis_mob.models.worker import LiveWorker, WorkerRecord
from redis_mob.operations.queue_report import QueueReport
from redis_mob.operations.usage import ReleaseUse
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.samples.webhooks import SECRET, webhook

MOB = "office-of-the-registrar-general"
NOTE = "the file says that it was paused by the night shift, which waits for a new form"


def shown(width: int | None, *rows: tuple[str, ...], **options: Any) -> list[str]:
    return [line.plain for line in table_lines(("ID", "MOB", "N", "NOTE"), rows, width, right=("N",), **options)]


def test_in_a_pipe_each_row_is_one_line() -> None:
    rows = [("0123456789", MOB, "7", NOTE), ("x", "漢字", "1234", "")]
    header, first, second = shown(None, *rows, ids=("ID",), below=("NOTE",))
    assert first == f"0123456789  {MOB}     7  {NOTE}"
    assert second == f"x           漢字{' ' * (len(MOB) - 4)}  1234"
    assert header.split() == ["ID", "MOB", "N", "NOTE"]


def test_what_has_no_room_beside_a_row_is_told_below_it_between_words() -> None:
    lines = shown(50, ("0123456789", MOB, "7", NOTE), ("x", "m", "8", "-"), below=("NOTE",))
    assert lines[1].split() == ["0123456789", MOB, "7"]
    assert " ".join(line.strip() for line in lines[2:-1]) == f"note {NOTE}"
    assert all(line.startswith("  ") for line in lines[2:-1])
    assert lines[-1].split() == ["x", "m", "8"]
    brief = shown(50, ("0123456789", MOB, "7", NOTE), below=("NOTE",), is_brief=True)
    assert brief[2:] == [f"  note {NOTE}"[:49] + "…"]


def test_ids_are_shortened_to_what_tells_them_apart_and_then_names_are_cut() -> None:
    rows = [("0123456789abcdef", MOB, "7", "-"), ("0123456789ffffff", "m", "8", "-")]
    lines = shown(48, *rows, ids=("ID",), below=())
    assert [line.split()[0] for line in lines] == ["ID", "0123456789a", "0123456789f"]
    assert "NOTE" not in lines[0]
    narrow = shown(30, *rows, ids=("ID",))
    assert narrow[1] == "0123456789a  office-of-the…  7"


def test_a_table_without_room_is_still_whole_rows() -> None:
    lines = shown(5, ("0123456789", MOB, "7", NOTE), ids=("ID",))
    assert len(lines) == 2


def the_queues() -> None:
    queues = [
        QueueReport(
            mob_id=MOB,
            role=role,
            release=release,
            waiting=12,
            running=3,
            delayed=4,
            paused=0,
            oldest_since=NOON - timedelta(hours=1),
            is_oldest_certain=False,
            workers=0,
            unserved=12,
            limited=(),
            now=NOON,
        )
        for role, release in (("clerk", ""), ("notary", "2026-11-29"))
    ]
    show_queues(queues, 0, json=False)


def the_workers() -> None:
    record = WorkerRecord(
        id="vm-29885-b16a1170",
        host="worker-7.example.com",
        pid=29885,
        mobs=(MOB,),
        roles=("clerk", "notary", "judge"),
        release="2026-11-29",
        slots=16,
        started_at=NOON - timedelta(days=2),
    )
    show_workers([SeenWorker(LiveWorker(record, NOON + timedelta(seconds=9)), (), NOON)], json=False)


def the_releases() -> None:
    runs = dict.fromkeys(MobRunStatus, 123_456)
    show_releases([ReleaseUse("2026-11-29", runs, ()), ReleaseUse(None, runs, ("w",))], json=False)


def the_webhooks() -> None:
    stored = StoredWebhook(
        webhook=webhook("audit").model_copy(update={"url": f"https://example.com/{'path/' * 9}?token=hush"}),
        secret=SECRET,
        revision=1,
        progress=WebhookProgress(cursor=123_456, delivered=123_456, note=NOTE),
    )
    show_webhooks([stored], json=False)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("show", [the_queues, the_workers, the_releases, the_webhooks])
def test_the_tables_of_commands_fit(width: int, show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(columns, "standard_output", lambda: Paper(width))
    monkeypatch.setattr(columns, "write", written.append)
    show()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", "".join(written)).splitlines()
    assert len(lines) > 1
    assert max(map(cell_len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    assert set(NOTE.split()) <= words or not words & set(NOTE.split()[:4])
    assert words & {"12", "2026-11-29", "audit", "clerk,"}
