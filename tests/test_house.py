"""The rules of the house: imports point one way, modules stay small, prose is exact, and the wheel is complete."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from redis_mob import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "redis_mob"

FLOORS = (
    {"errors", "host_environment", "lazy_names", "version"},
    {"models", "telemetry", "http_serving", "new_file"},
    {"contracts", "codec", "kernel", "security"},
    {"connection", "payloads"},
    {"notifications", "admin", "backup"},
    {"stores", "memory", "past"},
    {"storage"},
    {"webhooks", "migration"},
    {"fleet"},
    {"flows", "operations"},
    {"sharding"},
    {"meerkat", "frontends", "handlers", "mcp", "metrics", "testing", "bench", "sync", "ui"},
    {"langgraph", "pydantic_ai"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: a room may use the rooms on the floors below its own, and nothing beside or above it."""

CONNECTION_FLOORS = ({"failures", "retry"}, {"servers"}, {"embedded"}, {"calls"})
"""The same for the rooms within `connection`: how a request gets to a server is below what is sent."""

HANDLERS_USE = {
    "step_context",
    "step_profile",
    "said",
    "schemas",
    "outcome",
    "handler_threads",
    "conversation",
    "spending",
}
"""What the handlers that come with the package use of the room `fleet`."""

PURE = ("models", "kernel", "codec")
"""Rooms without I/O: they import neither redis nor asyncio."""

MODULES = sorted(PACKAGE.rglob("*.py"))

FOLDERS = ("redis_mob", "lua", "examples", "bench", "tests", "docs", "website")
PROSE = sorted(
    file
    for file in (*ROOT.glob("*.md"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*")))
    if file.suffix in {".py", ".lua", ".toml", ".md"} and not {"data", "node_modules"} & set(file.parts)
)
VAGUE = re.compile(r"(?:who|what)ever|(?:no|some)body", re.IGNORECASE)
"""Words that name no subject: a reader learns more from "the client", "a later call" or "no worker"."""


def room(module: str) -> str:
    """`codec` for `redis_mob.codec.events`."""
    return module.split(".")[1]


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path) -> list[str]:
    """Absolute names of everything a file imports, wherever in the file it does so."""
    name = module_name(file)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            found += (f"{source}.{alias.name}" for alias in node.names)
    return found


def floor_of(name: str, floors: tuple[set[str], ...] = FLOORS) -> int:
    numbers = [number for number, rooms in enumerate(floors) if name in rooms]
    assert numbers, f"{name} has no floor: give it one"
    return numbers[0]


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_imports_point_one_way(file: Path) -> None:
    name = module_name(file)
    if name == "redis_mob":
        return
    here = room(name)
    for imported in imported_modules(file):
        if imported.partition(".")[0] != "redis_mob":
            continue
        assert imported.count("."), f"{name} imports the whole package"
        there = room(imported)
        assert there == here or floor_of(there) < floor_of(here), f"{name} imports {imported} from above or beside"


@pytest.mark.parametrize("file", sorted((PACKAGE / "handlers").rglob("*.py")), ids=module_name)
def test_handlers_know_what_a_handler_of_a_user_knows(file: Path) -> None:
    """They are called by the engine, and see nothing of it but what every handler is given."""
    for imported in imported_modules(file):
        there = ".".join(imported.split(".")[:3])
        if there.startswith(("redis_mob.fleet", "redis_mob.stores")):
            assert there.removeprefix("redis_mob.fleet.") in HANDLERS_USE, f"{module_name(file)} imports {imported}"


@pytest.mark.parametrize("file", sorted((PACKAGE / "connection").rglob("*.py")), ids=module_name)
def test_imports_within_the_connection_point_one_way(file: Path) -> None:
    name = module_name(file)
    if name == "redis_mob.connection":
        return
    here = name.split(".")[2]
    for imported in imported_modules(file):
        if imported.startswith("redis_mob.connection."):
            there = imported.split(".")[2]
            below = floor_of(there, CONNECTION_FLOORS) < floor_of(here, CONNECTION_FLOORS)
            assert there == here or below, f"{name} imports {imported} from above or beside"


@pytest.mark.parametrize(
    "file", [file for file in MODULES if file.relative_to(PACKAGE).parts[0] in PURE], ids=module_name
)
def test_pure_rooms_do_no_io(file: Path) -> None:
    assert {imported.partition(".")[0] for imported in imported_modules(file)}.isdisjoint({"redis", "asyncio"})


def test_relative_and_absolute_imports_are_both_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    file = tmp_path / "redis_mob" / "codec" / "events.py"
    file.parent.mkdir(parents=True)
    file.write_text("import a.b\nfrom . import c\nfrom ..models import d\ndef f():\n    from redis_mob.cli import e\n")
    assert imported_modules(file) == ["a.b", "redis_mob.codec.c", "redis_mob.models.d", "redis_mob.cli.e"]
    (package := file.with_name("__init__.py")).write_text("from .events import x\nfrom ..errors import y\n")
    assert imported_modules(package) == ["redis_mob.codec.events.x", "redis_mob.errors.y"]


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_modules_stay_small(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, "split it: one module, one subject"


def test_sentences_and_names_say_who_and_what() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {word}"
        for file in PROSE
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        for word in VAGUE.findall(line)
    ]
    assert not found, "name the subject: " + ", ".join(found)


def test_the_wheel_carries_the_scripts_and_the_version(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    wheel = tmp_path / f"redis_mob-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    scripts = {f"redis_mob/lua/{file.relative_to(ROOT / 'lua').as_posix()}" for file in (ROOT / "lua").rglob("*.lua")}
    modules = {file.relative_to(ROOT).as_posix() for file in MODULES}
    assert scripts, "there are no scripts under lua/"
    assert scripts | modules | {"redis_mob/py.typed"} <= names
    assert [name for name in names if name.endswith("/licenses/LICENSE")]
    assert not [name for name in names if not name.startswith(("redis_mob/", "redis_mob-"))]
