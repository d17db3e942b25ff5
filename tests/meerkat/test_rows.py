"""Rows that say more than is known, or something else than a store takes: they come, or are named, in a dry run too."""

from __future__ import annotations

import json
from pathlib import Path

from redis_mob.meerkat.exporting import export_lines
from redis_mob.storage import MobStorage
from tests.meerkat.files import changed, event_row, golden, made
from tests.meerkat.test_importing import imported
from tests.meerkat.test_importing import storage as storage

NAMES = (
    "_fields_set",
    "cls",
    "self",
    "values",
    "update",
    "deep",
    "strict",
    "context",
    "by_name",
    "data",
    "model_extra",
)
"""Names that methods of pydantic, or of ours, have for their parameters."""


async def test_an_unknown_field_may_have_any_name(storage: MobStorage, tmp_path: Path) -> None:
    # contract: json-1
    more = {name: {"of": name} for name in NAMES}
    row = json.loads(event_row(1)[1])
    row["event"].update(more)
    row["event"]["kind"].update(more)
    row.update(more)
    path = made(tmp_path / "mob.db", [(1, json.dumps(row).encode())])
    assert (await imported(path, storage)).failures == []
    (event,) = await storage.events.replay_all()
    for one in (event, event.kind, event.envelope):
        assert one is not None and one.model_extra == more


async def test_tokens_are_kept_in_no_record(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-10
    path = golden(tmp_path)
    for table in ("mob_runtime_binding_overlays", "mob_runtime_supervisors", "mob_specs"):
        changed(path, f"ALTER TABLE {table} ADD COLUMN later TEXT")
    report = await imported(path, storage, force=True)
    overlays = "rows of table mob_runtime_binding_overlays with unknown columns, which has secrets"
    supervisors = "rows of table mob_runtime_supervisors with unknown columns, which has secrets"
    assert report.left_out == {overlays: 10, supervisors: 3}
    assert f"not kept verbatim: 10 {overlays}" in report.lines()
    assert await storage.records.collections() == ["meerkat:imports", "meerkat:mob_specs"]
    tokens = [one.bootstrap_token for _, one in await storage.transfers.overlays() if one.bootstrap_token is not None]
    lines = tmp_path / "out.jsonl"
    await export_lines(storage, lines, with_secrets=False)
    assert tokens and not [one for one in tokens if one in lines.read_text()]
