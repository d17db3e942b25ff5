from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.scripts import ScriptLibrary, library, names_by_digest, once, script
from redis_mob.errors import InternalError
from tests.support.lua_bytecode import globals_of

ALL = library().names()

HOST_NAMES = {"redis", "server", "KEYS", "ARGV", "cjson", "cmsgpack", "struct", "bit"}
LUA_NAMES = {
    *("string", "table", "math", "assert", "error", "pcall", "type", "tonumber", "tostring", "unpack", "select"),
    *("pairs", "ipairs", "next"),
}

WriteLua: TypeAlias = Callable[..., ScriptLibrary]
"""Writes Lua files, given as the text of each by its name (`__` for a slash), and gives the library of them."""


@pytest.fixture
def lua(tmp_path: Path) -> WriteLua:

    def write(**files: str) -> ScriptLibrary:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.lua"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return ScriptLibrary(tmp_path)

    return write


def test_there_are_scripts_and_no_fragment_is_one() -> None:
    assert "calls/open_namespace" in ALL
    assert not [name for name in ALL if name.startswith("lib/")]


@pytest.mark.parametrize("name", ALL)
async def test_every_script_is_lua_without_globals_of_its_own(name: str, connection: Client) -> None:
    for form in (script(name), once(script(name))):
        found = globals_of(await _compiled(connection, form.text))
        assert found.written == set()
        assert found.read <= HOST_NAMES | LUA_NAMES


async def test_the_check_of_globals_sees_those_in_nested_functions(connection: Client) -> None:
    text = "local a = 1; b = 2; local function f() local function g() c = a end; return d, function() e = redis end end"
    found = globals_of(await _compiled(connection, text))
    assert found.written == {"b", "c", "e"}
    assert found.read == {"d", "redis"}


def test_the_sha_is_that_of_the_text_without_includes(lua: WriteLua) -> None:
    scripts = lua(lib__one="local one = 1", runs__a="-- a\n--- @include lib/one\nreturn one\n")
    flat = scripts.script("runs/a")
    assert flat.text == "-- a\nlocal one = 1\nreturn one\n"
    assert flat.sha == hashlib.sha1(flat.text.encode()).hexdigest()  # noqa: S324
    assert scripts.script("runs/a") is flat
    assert flat.text not in repr(flat)


def test_a_fragment_is_included_once_where_it_is_first_needed(lua: WriteLua) -> None:
    scripts = lua(
        lib__one="local one = 1",
        lib__two="--- @include lib/one\nlocal two = one + one",
        runs__a="--- @include lib/two\n--- @include lib/one\nreturn two",
    )
    assert scripts.script("runs/a").text == "local one = 1\nlocal two = one + one\n\nreturn two"


def test_text_with_a_backslash_is_included_as_it_is(lua: WriteLua) -> None:
    scripts = lua(lib__one=r"local line = '\n\1'", runs__a="--- @include lib/one")
    assert scripts.script("runs/a").text == r"local line = '\n\1'"


def test_an_indented_include_is_for_its_block_alone(lua: WriteLua) -> None:
    scripts = lua(
        lib__one="local function one()\n  return 1\nend",
        lib__two="if KEYS then\n  --- @include lib/one\n  two = one()\nend",
        runs__a="--- @include lib/two\n--- @include lib/one\n  --- @include lib/one\nreturn one()",
    )
    block = "if KEYS then\n  local function one()\n    return 1\n  end\n  two = one()\nend"
    assert scripts.script("runs/a").text == f"{block}\nlocal function one()\n  return 1\nend\n\nreturn one()"


def test_functions_that_nothing_names_are_left_out(lua: WriteLua) -> None:
    scripts = lua(
        lib__one="local function one(x)\n  if x then\n    return one()\n  end\nend\n-- one and two",
        lib__two="--- @include lib/one\nlocal function two() return one() end\nlocal function three() return 3 end",
        runs__a="--- @include lib/two\nreturn three()",
        runs__b="--- @include lib/two\nreturn two()",
    )
    text = scripts.script("runs/a").text
    assert [line for line in text.splitlines() if line] == [
        "-- one and two",
        "local function three() return 3 end",
        "return three()",
    ]
    assert "three" not in scripts.script("runs/b").text
    assert scripts.script("runs/b").text.count("function") == 2


def test_includes_in_a_circle_are_an_error(lua: WriteLua) -> None:
    scripts = lua(lib__one="--- @include lib/two", lib__two="--- @include lib/one", runs__a="--- @include lib/one")
    with pytest.raises(InternalError, match="runs/a -> lib/one -> lib/two -> lib/one"):
        scripts.script("runs/a")


def test_a_missing_fragment_is_an_error_that_names_who_wants_it(lua: WriteLua) -> None:
    with pytest.raises(InternalError, match=r"lib/none\.lua, included by runs/a\.lua is missing"):
        lua(runs__a="--- @include lib/none").script("runs/a")


@pytest.mark.parametrize("name", ["runs/none", "none", "../secrets/x", "runs/a.lua", " "])
def test_a_missing_script_is_an_error(lua: WriteLua, name: str) -> None:
    with pytest.raises(InternalError, match=re.escape(name)):
        lua(runs__a="return 1").script(name)


def test_keys_and_single_arguments_stand_at_fixed_positions(lua: WriteLua) -> None:
    found = lua(runs__a="--- @keys run frames\n--- @args status\n--- @keys meta\n--- @args at\n").script("runs/a")
    assert found.keys == ("run", "frames", "meta")
    assert found.text.splitlines() == [
        "local run, frames = KEYS[1], KEYS[2]",
        "local status = ARGV[1]",
        "local meta = KEYS[3]",
        "local at = ARGV[2]",
    ]


def test_arguments_of_several_values_are_read_one_after_the_other(lua: WriteLua) -> None:
    found = lua(runs__a="--- @args status run:change\n--- @args inputs* frames:change*\n").script("runs/a")
    assert found.text.splitlines() == [
        "local status, run = take(), take_change()",
        "local inputs, frames = take_list(), take_each(take_change)",
    ]
    given = {"frames": [("f", 1), ("g", 2)], "inputs": [b"x"], "run": ["r", 0], "status": "open"}
    assert found.arguments(given) == ["open", "r", 0, 1, b"x", 2, "f", 1, "g", 2]
    assert found.arguments({**given, "frames": [], "inputs": ()}) == ["open", "r", 0, 0, 0]


def test_the_names_of_a_fragment_come_before_those_of_the_script_that_includes_it(lua: WriteLua) -> None:
    scripts = lua(lib__one="--- @keys meta", runs__a="--- @include lib/one\n--- @keys run\n")
    assert scripts.script("runs/a").text == "local meta = KEYS[1]\nlocal run = KEYS[2]\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [({"a": 1}, "runs/a.lua needs the argument 'b'"), ({"a": 1, "b": 2, "c": 3}, "runs/a.lua takes no argument c")],
)
def test_a_missing_and_an_unknown_argument_are_refused(lua: WriteLua, given: dict[str, int], told: str) -> None:
    with pytest.raises(InternalError, match=re.escape(told)):
        lua(runs__a="--- @args a b").script("runs/a").arguments(given)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--- @keys run\n--- @args run", "gives a name twice: run"),
        ("--- @keys run:hash", "'run:hash' is no name of a key"),
        ("--- @args run:*", "'run:\\*' names no argument"),
        ("--- @key run", "says nothing to the loader: --- @key run"),
    ],
)
def test_a_line_that_the_loader_cannot_use_is_an_error(lua: WriteLua, line: str, told: str) -> None:
    with pytest.raises(InternalError, match=told):
        lua(runs__a=line).script("runs/a")


def test_an_operation_shares_the_fragments_of_its_session(lua: WriteLua) -> None:
    scripts = lua(
        lib__one="local one = 1",
        lib__two="local two = 2",
        lib__session="--- @include lib/one\nlocal function operation()\n--- @operation\nend\noperation()",
        runs__a="--- @include lib/one\n--- @include lib/two\n--- @keys run\nreturn one",
    )
    alone = scripts.script("runs/a")
    assert alone.text == "local one = 1\nlocal two = 2\nlocal run = KEYS[1]\nreturn one"
    composed = scripts.once(alone)
    assert composed.text == (
        "local one = 1\nlocal function operation()\n\nlocal two = 2\nlocal run = KEYS[1]\nreturn one\nend\noperation()"
    )
    assert (composed.name, composed.keys) == ("runs/a", ("run",))
    assert composed.sha == hashlib.sha1(composed.text.encode()).hexdigest()  # noqa: S324


@pytest.mark.parametrize("given", [[], ["k", "l", "m"]])
@pytest.mark.parametrize("method", ["call", "read"])
async def test_another_number_of_keys_is_refused(connection: Client, method: str, given: list[str]) -> None:
    with pytest.raises(InternalError, match=f"specs/get_spec.lua has 2 keys, not {len(given)}: meta, specs"):
        await getattr(connection, method)("specs/get_spec", given, ["m"])


async def _compiled(connection: Client, text: str) -> bytes:
    return await connection.router.request("EVAL", "return string.dump(assert(loadstring(ARGV[1])))", 0, text)


def test_the_last_name_of_keys_may_be_a_list_of_all_that_are_left(lua: WriteLua) -> None:
    scripts = lua(lib__session="--- @operation\nreturn KEYS[#KEYS]", runs__a="--- @keys one others*\nreturn #others")
    plain = scripts.script("runs/a")
    assert "local one, others = KEYS[1], { unpack(KEYS, 2, #KEYS - 0) }" in plain.text
    # the keys of the session stand behind it
    assert "{ unpack(KEYS, 2, #KEYS - 2) }" in scripts.once(plain).text
    assert [plain.header.takes(number) for number in range(4)] == [False, True, True, True]
    with pytest.raises(InternalError, match=r"runs/b\.lua has a key behind a list of keys"):
        lua(runs__b="--- @keys others* one").script("runs/b")


def test_each_script_is_known_by_what_evalsha_names() -> None:
    """The doctor names scripts of the slow log by it; a script that only reads has no form for sessions."""
    names = names_by_digest()
    assert names[once(script("runs/cas_flow_state")).sha] == "runs/cas_flow_state"
    assert names[script("operations/standing").sha] == "operations/standing"
    assert set(names.values()) == set(library().names())
