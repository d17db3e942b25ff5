from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.scripts import ScriptLibrary, library, script
from redis_mob.errors import InternalError
from tests.support.lua_bytecode import globals_of

ALL = library().names()

HOST_NAMES = {"redis", "server", "KEYS", "ARGV", "cjson", "cmsgpack", "struct", "bit"}
LUA_NAMES = {"string", "table", "math", "assert", "error", "pcall", "type", "tonumber", "tostring", "unpack", "select"}
LUA_NAMES |= {"pairs", "ipairs", "next"}


@pytest.fixture
def lua(tmp_path):
    """Writes Lua files and gives the library of them."""

    def write(**files: str) -> ScriptLibrary:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.lua"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return ScriptLibrary(tmp_path)

    return write


def test_there_are_scripts_and_no_fragment_is_one():
    assert "meta/open_namespace" in ALL
    assert not [name for name in ALL if name.startswith("lib/")]


@pytest.mark.parametrize("name", ALL)
def test_every_script_says_its_keys_arguments_and_reply(name):
    text = (Path(__file__).parents[2] / f"lua/{name}.lua").read_text()
    header = re.match(r"(--.*\n)+", text)
    assert header is not None
    for word in ("KEYS", "ARGV", "Reply"):
        assert re.search(rf"^--\s+{word}\b", header[0], re.MULTILINE), f"{name}.lua has no {word} in its header"


@pytest.mark.parametrize("name", ALL)
async def test_every_script_is_lua_without_globals_of_its_own(name, connection: Client):
    found = globals_of(await _compiled(connection, script(name).text))
    assert found.written == set()
    assert found.read <= HOST_NAMES | LUA_NAMES


async def test_the_check_of_globals_sees_those_in_nested_functions(connection: Client):
    text = "local a = 1; b = 2; local function f() local function g() c = a end; return d, function() e = redis end end"
    found = globals_of(await _compiled(connection, text))
    assert found.written == {"b", "c", "e"}
    assert found.read == {"d", "redis"}


def test_the_sha_is_that_of_the_text_without_includes(lua):
    scripts = lua(lib__one="local one = 1", runs__a="-- a\n--- @include lib/one\nreturn one\n")
    flat = scripts.script("runs/a")
    assert flat.text == "-- a\nlocal one = 1\nreturn one\n"
    assert flat.sha == hashlib.sha1(flat.text.encode()).hexdigest()  # noqa: S324
    assert scripts.script("runs/a") is flat
    assert flat.text not in repr(flat)


def test_a_fragment_is_included_once_where_it_is_first_needed(lua):
    scripts = lua(
        lib__one="local one = 1",
        lib__two="--- @include lib/one\nlocal two = one + one",
        runs__a="--- @include lib/two\n--- @include lib/one\nreturn two",
    )
    assert scripts.script("runs/a").text == "local one = 1\nlocal two = one + one\n\nreturn two"


def test_text_with_a_backslash_is_included_as_it_is(lua):
    scripts = lua(lib__one=r"local line = '\n\1'", runs__a="--- @include lib/one")
    assert scripts.script("runs/a").text == r"local line = '\n\1'"


def test_includes_in_a_circle_are_an_error(lua):
    scripts = lua(lib__one="--- @include lib/two", lib__two="--- @include lib/one", runs__a="--- @include lib/one")
    with pytest.raises(InternalError, match="runs/a -> lib/one -> lib/two -> lib/one"):
        scripts.script("runs/a")


def test_a_missing_fragment_is_an_error_that_names_who_wants_it(lua):
    with pytest.raises(InternalError, match=r"lib/none\.lua, included by runs/a\.lua is missing"):
        lua(runs__a="--- @include lib/none").script("runs/a")


@pytest.mark.parametrize("name", ["runs/none", "none", "../secrets/x", "runs/a.lua", " "])
def test_a_missing_script_is_an_error(lua, name):
    with pytest.raises(InternalError, match=re.escape(name)):
        lua(runs__a="return 1").script(name)


async def _compiled(connection: Client, text: str) -> bytes:
    return await connection.router.request("EVAL", "return string.dump(assert(loadstring(ARGV[1])))", 0, text)
