"""Rows that say more than is known, or something else than a store takes: they come, or are named, in a dry run too."""

from __future__ import annotations

import json
from pathlib import Path

from redis_mob.storage import MobStorage
from tests.meerkat.files import event_row, made
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
