"""The rules of the house for the scripts: found by their names, every key and write known to the loader or counted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.scripts import library

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "redis_mob"
LUA = ROOT / "lua"
FILES = {file.relative_to(LUA).with_suffix("").as_posix(): file for file in sorted(LUA.rglob("*.lua"))}
SCRIPTS = library().names()

CALLERS = {
    "admin": ["admin/losses.py"],
    "calls": ["connection/calls"],
    "asks": ["stores/asks.py"],
    "backup": ["backup/live.py", "backup/restoring.py"],
    "budgets": ["stores/budgets.py"],
    "checkpoints": ["stores/checkpoints.py"],
    "conversations": ["stores/conversations.py"],
    "config": ["stores/config.py", "stores/config_feed.py"],
    "events": ["stores/events.py"],
    "executions": [
        f"stores/{name}.py"
        for name in ("executions", "items", "labels", "signals", "lease_renewal", "children", "workers", "debounces")
    ],
    "host": ["stores/host.py"],
    "langgraph": ["langgraph/threads.py", "langgraph/items.py"],
    "migration": ["migration/migrating.py", "migration/namespace_format.py"],
    "operations": ["stores/operations.py"],
    "pauses": ["stores/pauses.py"],
    "payloads": ["stores/payloads.py"],
    "progress": ["stores/progress.py"],
    "pydantic_ai": ["pydantic_ai/agent_runs.py"],
    "realm_profiles": ["stores/realm_profiles.py"],
    "records": ["stores/records.py"],
    "retention": ["stores/retention.py"],
    "runs": ["stores/runs.py"],
    "runtime_metadata": [
        "stores/runtime_metadata.py",
        "stores/resealing.py",
        "stores/sealed_records.py",
        "stores/transfers.py",
    ],
    "schedules": ["stores/schedules.py"],
    "seal_keys": ["stores/seal_keys.py"],
    "specs": ["stores/specs.py"],
    "steering": [
        "stores/steering.py",
        "stores/deletion.py",
        "stores/moving.py",
        "stores/importing.py",
        "stores/queue_counts.py",
        "stores/limit_loads.py",
        "stores/limited_entries.py",
        "stores/pauses.py",
    ],
    "transfers": ["stores/transfers.py"],
    "webhooks": ["stores/webhooks.py", "stores/sealed_records.py"],
}
"""The modules that call the scripts of a folder: those of the store, or the room, that has its name."""

OTHER_NAMES = {
    "admin/accept_losses_of_run": "what accept_losses does for one run",
    "admin/find_losses": "losses_of reads with it, on a connection that is there",
    "admin/find_losses_of_run": "what find_losses and losses_of have in common",
    "backup/begin_restore": "the room has one way to begin, and the script says of what",
    "backup/clear": "what the beginning of a restoring removes",
    "backup/finish_restore": "as begin_restore",
    "backup/cut": "the last step of reading records",
    "backup/read_changes": "a step of reading records",
    "backup/read_keys": "likewise",
    "backup/read_page": "likewise",
    "backup/give_up_restore": "as begin_restore",
    "backup/write": "what add has gathered",
    "calls/confirm": "loaded on a connection of its own, from the name that the module gives it",
    "calls/namespace_exists": "what open_namespace asks first where it is not to create one",
    "runtime_metadata/all_records": "reseal_all reads with it",
    "runtime_metadata/load_supervisor_authority": "what two methods have in common",
    "runtime_metadata/replace_record": "reseal_all writes with it",
    "webhooks/secrets": "reseal_all reads with it",
}
"""Scripts that are not named like the method that calls them, and why."""

OWN_ARGUMENTS = {
    "lib/arguments": "reads them for all others",
    "lib/change": "leaves them where they are, since most of them are only passed on",
    "lib/event_log": "reads an event at once",
    "lib/session": "finds its own behind those of the operation that it is put around",
    "calls/confirm": "the calls of a whole batch",
}
"""Files that read ARGV by themselves, and why."""

UNCOUNTED = {
    "lib/change_tracking": "what it notes is no effect of the operation",
    "lib/counts": "it counts what a write has changed, and is no effect of its own",
    "lib/gathering": "likewise",
    "lib/session": "its receipts are no effect of the operation, whose writes are counted",
    "lib/session_check": "a new epoch is no effect of the operation, which is not done then",
    "lib/when_full": "it changes nothing",
}
"""Files that may write without `mutate`, and why."""

PASSED_ON = {
    "lib/backup_reading": {"MEASURES[kind]"},
    "lib/change_tracking": {"command"},
    "lib/mutate": {"command"},
    "lib/chunks": {"command"},
    "lib/run_creation": {"command"},
    "lib/measuring": {"measure"},
}
"""What stands for a command in the files that write or measure for others, and in one that has a table of writes."""

CALL = re.compile(r"(?<!function )\b(redis\.p?call|mutate|in_chunks)\(([^,)]*)")
LITERAL = re.compile(r"'([A-Z]+)'")


def code_of(name: str) -> str:
    """The text of a file without its comments."""
    return re.sub(r"--(?!- @).*", "", FILES[name].read_text(encoding="utf-8"))


def commands_of(text: str, *functions: str) -> Iterator[str]:
    """The first argument of each call of these functions: a command in capitals, or what stands for one."""
    for function, argument in CALL.findall(text):
        if function in functions:
            literal = LITERAL.fullmatch(argument)
            yield literal[1] if literal else argument


def calls_of(file: Path) -> Iterator[tuple[str, str, str]]:
    """(script, function around it, method that it is passed to) wherever a module names a script."""

    def visit(node: ast.AST, function: str, method: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if isinstance(node, ast.Constant) and node.value in SCRIPTS:
            yield node.value, function, method
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function, method)

    return visit(ast.parse(file.read_bytes()), "", "")


MENTIONS = [
    (name, function, method, file.relative_to(PACKAGE).as_posix())
    for file in sorted(PACKAGE.rglob("*.py"))
    if file.name != "saboteurs.py"  # it names the scripts that it breaks
    for name, function, method in calls_of(file)
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_called_by_the_store_of_its_folder_from_the_method_of_its_name(name: str) -> None:
    found = [(function, file) for script, function, _, file in MENTIONS if script == name]
    assert found, f"nothing calls {name}"
    for function, file in found:
        assert file.startswith(tuple(CALLERS[name.partition("/")[0]])), f"{file} calls {name} of another room"
        assert name in OTHER_NAMES or function.removeprefix("_") == name.partition("/")[2], f"{function} calls {name}"


def test_the_listed_exceptions_are_still_needed() -> None:
    named = {name for name, function, _, _ in MENTIONS if function.removeprefix("_") == name.partition("/")[2]}
    assert set(OTHER_NAMES) <= set(SCRIPTS)
    assert named.isdisjoint(OTHER_NAMES)
    assert {name for name in FILES if re.search(r"\bARGV\b", code_of(name))} == set(OWN_ARGUMENTS)


@pytest.mark.parametrize("name", FILES)
def test_keys_have_names(name: str) -> None:
    assert name == "lib/session" or not re.search(r"\bKEYS\b", code_of(name)), "name them with --- @keys"


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_its_reply_and_what_it_leaves(name: str) -> None:
    header = re.match(r"(--.*\n)+", FILES[name].read_text(encoding="utf-8"))
    assert header is not None
    assert re.search(r"^-- Reply ", header[0], re.MULTILINE), f"{name}.lua does not say its reply"
    assert re.search(r"^-- Leaves ", header[0], re.MULTILINE), f"{name}.lua does not say what it leaves"


async def test_every_write_is_counted_and_no_read_is(connection: Client) -> None:
    used = {word for name in FILES for word in LITERAL.findall(code_of(name))}
    infos = await connection.router.request("COMMAND", "INFO", *sorted(used))
    writing = {info[0].decode().upper() for info in infos if info is not None and b"write" in info[2]}
    assert {"HSET", "XADD", "DEL"} <= writing
    for name in FILES:
        if name in UNCOUNTED:
            continue
        code = code_of(name)
        called = set(commands_of(code, "redis.call", "redis.pcall")) - PASSED_ON.get(name, set())
        assert called <= used - writing, f"{name}: use mutate"
        written = set(commands_of(code, "mutate", "in_chunks")) - PASSED_ON.get(name, set())
        assert written <= writing, f"{name}: use redis.call to read"


@pytest.mark.parametrize("name", sorted({name for name, _, method, _ in MENTIONS if method == "read"}))
def test_a_script_that_reads_has_nothing_to_write_with(name: str) -> None:
    text = library().script(name).text
    assert "mutate(" not in text
    assert "announce(" not in text


def test_subscribers_are_told_at_the_end_and_in_one_way() -> None:
    assert [name for name in FILES if "SPUBLISH" in code_of(name)] == ["lib/announce"]
    for name in FILES:
        lines = [line.strip() for line in code_of(name).splitlines() if line.strip()]
        for number, line in enumerate(lines):
            if line.startswith("announce"):
                assert re.match(r"announce|return|end$", (*lines, "end")[number + 1]), f"{name}: {line} comes last"
