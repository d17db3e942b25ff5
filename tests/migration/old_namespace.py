"""The namespace that release 0.1 left, under a name of a test."""

from __future__ import annotations

import json
from typing import Any

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.models.run import MobRun
from tests.backup.content import content
from tests.fleet.first_form import NAMESPACE
from tests.support.golden import read_jsonl

ABOUT, *COMMANDS = read_jsonl("first_form.jsonl")
RUNS: dict[str, str] = ABOUT["runs"]
FINISHED = MobRun.model_validate_json(json.dumps(ABOUT["finished"]))


async def write_old(connection: Client, namespace: str) -> Keys:
    """Write it; no release has opened it since."""
    for line in COMMANDS:
        name, key, *rest = line["command"]
        renamed = key.replace(f"{{rm:{NAMESPACE}}}", f"{{rm:{namespace}}}")
        await connection.router.request(name, renamed, *(part.encode("latin-1") for part in rest))
    return Keys(namespace)


async def content_of(connection: Client, keys: Keys) -> dict[str, Any]:
    """All that it holds but what is random: its key of tokens."""
    meta = keys.meta
    if await connection.router.request("HEXISTS", meta, "epoch") == 0:
        await connection.router.request("HSET", meta, "epoch", 0)  # as it is read where there is none
    found = await content(connection, keys)
    found["meta"].pop(b"token_key", None)
    return found
