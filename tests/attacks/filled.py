"""A namespace with something in each key that is damaged and put back, again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from tests.attacks.full_namespace import FullNamespace, Question, after_writes, fill, questions, the_end, writes
from tests.support.raw import keys_of

KEY = SealKey.generate()

LOST = {
    "cas_run_status",
    "cas_flow_state",
    "cas_frame_state",
    "append_step_entry_if_absent",
    "append_failure_entry_if_absent",
    "start_run",
    "start in a conversation again",
    "answer again",
    "exists, absent",
    "delete_spec",
    "delete_spec, absent",
    "insert record, again",
    "put record, lost",
    "put supervisor",
    "compare supervisor",
    "put overlay",
    "append at another cursor",
    "delete record, absent",
}
"""Questions to which the answer is no."""

Steps = list[dict[str, Question]]
"""What is asked one after the other; the questions of one step leave in few packets, which spares most of the time."""


def all_steps(there: FullNamespace) -> Steps:
    return [questions(there), writes(there), after_writes(there), the_end()]


@dataclass(frozen=True)
class Filled:
    """A namespace that has something in each key, and all of it as RESTORE takes it."""

    keys: Keys
    there: FullNamespace
    dumps: dict[str, bytes]

    def key_named(self, target: str) -> str:
        run, _, part = target.partition(":")
        if run in ("stored", "driven"):
            run_keys = self.keys.run(self.there.stored.run_id if run == "stored" else self.there.driven)
            return run_keys.run if part == "head" else f"{run_keys.run}:{part}"
        return self.keys.meta.removesuffix("meta") + target


def open_filled(url: str, keys: Keys) -> Any:
    return MobStorage.open(url, namespace=keys.namespace, seal_key=KEY)


async def stored_keys(connection: Client, keys: Keys) -> list[str]:
    return [name for name in await keys_of(connection, keys) if "}:session:" not in name]


async def make_filled(server_url: str) -> Filled:
    """A new one. Every question and write does what it is for, so that the server has every script, too."""
    keys, connection = Keys(f"damage-{uuid4().hex}"), await connect(server_url)
    try:
        async with open_filled(server_url, keys) as storage:
            there = await fill(storage)
            dumps = await dumps_of(connection, keys)
            for step in all_steps(there):
                for name, ask in step.items():
                    assert await ask(storage) is not False or name in LOST, name
        return Filled(keys, there, dumps)
    finally:
        await connection.aclose()


async def dumps_of(connection: Client, keys: Keys) -> dict[str, bytes]:
    return {name: await connection.router.request("DUMP", name) for name in await stored_keys(connection, keys)}


async def contents_of(connection: Client, keys: Keys) -> dict[str, Any]:
    """The same, to be compared: the server may change the order of a hash while it is read."""
    found: dict[str, Any] = dict(await dumps_of(connection, keys))
    for name in found:
        if await connection.router.request("TYPE", name) == b"hash":
            fields = await connection.router.request("HGETALL", name)
            found[name] = dict(zip(fields[::2], fields[1::2], strict=True))
    return found


_RESTORE = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  if not string.find(key, ':session:', 1, true) then redis.call('DEL', key) end
end
for i, key in ipairs(KEYS) do redis.call('RESTORE', key, 0, ARGV[i + 1]) end
"""


async def restore(connection: Client, filled: Filled) -> None:
    """Put every key back, and take out what was not there. Sessions stay, so that a storage that is open can go on."""
    names, dumps = filled.dumps.keys(), filled.dumps.values()
    await connection.router.request("EVAL", _RESTORE, len(names), *names, filled.keys.pattern, *dumps)
