"""Writes tests/data/first_form.jsonl.gz: a namespace as release 0.1 left it, whose worker was killed.

Run with that release, as `python first_form.py FILE`; it uses only what that release and this one have in common. The
clock is best set back meanwhile (faketime), so that nothing in the file lies ahead of the tests' clock.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, cast

import redis

from redis_mob import Fleet, MobDefinition, MobRun, MobStorage, StepContext, StepFailed

NAMESPACE = "first"
"""The namespace in the file; only its name in the keys has to be replaced for another one."""

FLOW = "draft"

ROLES = ("clerk", "judge")

MEMBERS = {"clerk": 2, "judge": 1}

DEFINITION = """
[mob]
id = "office"

[profiles]
clerk = { model = "none" }
judge = { model = "none" }

[limits]
max_step_retries = 20

[flows.draft.steps.gather]
role = "clerk"
message = "Gather for {{ params.name }}"

[flows.draft.steps.polish]
role = "clerk"
message = "Make it better"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.draft.steps.check]
role = "judge"
message = "Check {{ steps.polish }}"

[flows.draft.root.nodes.gather]
kind = "step"
step_id = "gather"
depends_on = []
depends_on_mode = "all"

[flows.draft.root.nodes.polishing]
kind = "repeat_until"
loop_id = "polishing"
depends_on = ["gather"]
depends_on_mode = "all"
max_iterations = 3
until = { op = "eq", path = "steps.polish", value = 2 }

[flows.draft.root.nodes.polishing.body.nodes.polish]
kind = "step"
step_id = "polish"
depends_on = []
depends_on_mode = "all"

[flows.draft.root.nodes.check]
kind = "step"
step_id = "check"
depends_on = ["polishing"]
depends_on_mode = "all"
"""

OUTPUTS = {"gather": {"clerk-1": "gathered", "clerk-2": "gathered"}, "check": {"judge-1": "checked"}}
LOOP_OUTPUTS = {"polishing": ({"polish": 1}, {"polish": 2})}

STATES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "waiting": lambda of: any(one["role"] == "judge" and one["status"] == "waiting" for one in of.values()),
    "held": lambda of: [one["status"] for one in of.values()] == ["completed", "leased"],
    "looping": lambda of: [one["status"] for one in of.values()] == ["completed", "completed", "completed", "leased"],
    "retried": lambda of: any(one["status"] == "waiting" and one["attempt"] > 5 for one in of.values()),
}
"""The state that a run of this name is left in, as its executions show it in the order in which they began."""


def answer(ctx: StepContext) -> Any:
    """What the handlers of both releases return."""
    if ctx.step_id == "polish":
        assert ctx.iteration is not None
        return ctx.iteration + 1
    return {"gather": "gathered", "check": "checked"}[ctx.step_id]


def definition() -> MobDefinition:
    """The only definition of the mob."""
    return MobDefinition.from_toml(DEFINITION)


def _add_line(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(f"{line}\n")


async def _work(url: str, roles: Iterable[str], effects: Path) -> None:
    """A worker that comes to no end: some steps hang, some fail, depending on the name of the run."""

    async def handle(ctx: StepContext) -> Any:
        name = ctx.params["name"]
        if (name, ctx.step_id, ctx.member) == ("retried", "gather", "clerk-1"):
            raise StepFailed("out of paper")
        _add_line(effects, ctx.idempotency_key)
        if (name, ctx.step_id, ctx.member) == ("held", "gather", "clerk-2") or (name, ctx.iteration) == ("looping", 1):
            await asyncio.Event().wait()
        return answer(ctx)

    async with MobStorage.open(url, namespace=NAMESPACE) as storage:
        await Fleet(storage, definition(), dict.fromkeys(roles, handle), members=MEMBERS).work()


async def _written() -> list[dict[str, Any]]:
    """The lines of the file: what is to be expected, then the content of the namespace."""
    with tempfile.TemporaryDirectory() as directory:
        effects = Path(directory, "effects")
        async with MobStorage.open("embedded:", namespace=NAMESPACE) as storage:
            fleet = Fleet(storage, definition(), dict.fromkeys(ROLES, answer), members=MEMBERS)

            async def start(name: str) -> str:
                return await fleet.start(FLOW, {"name": name}, name)

            async def with_worker(roles: Iterable[str], until: Callable[[], Awaitable[object]]) -> None:
                command = (sys.executable, __file__, "work", storage.url, str(effects), *roles)
                worker = await asyncio.create_subprocess_exec(*command)
                try:
                    await until()
                finally:
                    worker.kill()
                    await worker.wait()

            runs = {"finished": await start("finished")}
            await with_worker(ROLES, lambda: fleet.wait(runs["finished"]))
            runs |= {name: await start(name) for name in STATES}

            async def all_there() -> None:
                is_there = False
                while not is_there:
                    await asyncio.sleep(0.01)
                    found = {name: await _executions(storage, runs[name]) for name in STATES}
                    is_there = all(is_it(found[name]) for name, is_it in STATES.items())

            await with_worker(("clerk",), all_there)
            runs["keyed"] = await start("keyed")
            finished = await storage.runs.get_run(runs["finished"])
            assert isinstance(finished, MobRun)
            about = {
                "runs": runs,
                "effects": await asyncio.to_thread(lambda: effects.read_text().split()),
                "finished": finished.model_dump(mode="json"),
                "events": [event.model_dump(mode="json") for event in await storage.events.replay_all()],
            }
            return [about, *await asyncio.to_thread(_content, storage.url)]


async def _executions(storage: MobStorage, run_id: str) -> dict[str, Any]:
    view = await storage.executions.load(run_id)
    assert view is not None
    found = sorted(view.executions.items(), key=lambda one: (one[1].due_at, one[0]))
    return {"/".join(key): one.model_dump(mode="json") for key, one in found}


def _content(url: str) -> list[dict[str, Any]]:
    """The commands that make each key, bytes as latin-1 characters; sessions, which expire, are left out."""
    server = cast("Any", redis).Redis.from_url(url)
    found: list[dict[str, Any]] = []
    for key in sorted(server.keys("*")):
        commands: list[tuple[bytes, ...]]
        match server.type(key):
            case b"hash":
                commands = [(b"HSET", key, *(part for pair in sorted(server.hgetall(key).items()) for part in pair))]
            case b"list":
                commands = [(b"RPUSH", key, *server.lrange(key, 0, -1))]
            case b"zset":
                scored = server.zrange(key, 0, -1, withscores=True)
                commands = [(b"ZADD", key, *(part for one, score in scored for part in (repr(score).encode(), one)))]
            case b"stream":
                entries = server.xrange(key)
                commands = [(b"XADD", key, id, *(p for pair in fields.items() for p in pair)) for id, fields in entries]
            case other:
                raise AssertionError(f"{key!r} is a {other}")
        if b"session:" not in key:
            found += ({"command": [part.decode("latin-1") for part in command]} for command in commands)
    server.close()
    return found


if __name__ == "__main__":
    if sys.argv[1] == "work":
        asyncio.run(_work(sys.argv[2], sys.argv[4:], Path(sys.argv[3])))
    else:
        written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in asyncio.run(_written()))
        Path(sys.argv[1]).write_bytes(gzip.compress(written.encode(), mtime=0))
