"""Reads the Lua scripts, one file per atomic operation, and flattens their includes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from redis_mob.errors import InternalError

_INCLUDE = re.compile(r"^--- @include (\S+)[ \t]*$", re.MULTILINE)
_OPERATION = "--- @operation\n"
_SESSION = "lib/session"
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)+")


@dataclass(frozen=True, slots=True)
class Script:
    """A script as the server gets it: `text` has no includes left, `sha` is the SHA-1 that EVALSHA names."""

    name: str
    text: str
    sha: str

    def __repr__(self) -> str:
        return f"Script({self.name!r})"


class ScriptLibrary:
    """The scripts below one directory. Names are paths without `.lua`; what lies in `lib/` is there to be included."""

    def __init__(self, root: Traversable) -> None:
        self._root = root
        self._known: dict[str, Script] = {}

    def script(self, name: str) -> Script:
        """The flattened script of this name, read once.

        Raises InternalError naming the file when it, or a fragment it includes, is missing or includes itself.
        """
        known = self._known.get(name)
        if known is None:
            text = self._flatten(name, path=(), seen=set())
            known = self._known[name] = Script(name, text, _sha(text))
        return known

    def names(self) -> list[str]:
        """The names of all scripts, sorted; fragments are not scripts."""
        return sorted(
            f"{folder.name}/{file.name.removesuffix('.lua')}"
            for folder in self._root.iterdir()
            if folder.is_dir() and folder.name != "lib"
            for file in folder.iterdir()
            if file.name.endswith(".lua")
        )

    def _flatten(self, name: str, *, path: tuple[str, ...], seen: set[str]) -> str:
        if name in path:
            raise InternalError(f"Lua includes go in a circle: {' -> '.join((*path, name))}")
        if name in seen:
            return ""
        seen.add(name)
        here = (*path, name)
        return _INCLUDE.sub(lambda match: self._flatten(match[1], path=here, seen=seen), self._read(name, path))

    def _read(self, name: str, path: tuple[str, ...]) -> str:
        origin = f", included by {path[-1]}.lua" if path else ""
        if _NAME.fullmatch(name) is None:
            raise InternalError(f"{name!r} names no Lua script{origin}: names look like runs/create_run")
        try:
            return self._root.joinpath(f"{name}.lua").read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise InternalError(f"the Lua script {name}.lua{origin} is missing from this installation") from error


def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _scripts_root() -> Traversable:
    installed = resources.files("redis_mob") / "lua"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "lua"


@cache
def library() -> ScriptLibrary:
    """The scripts of this library: `redis_mob/lua` of an installed wheel, `lua` of a checkout."""
    return ScriptLibrary(_scripts_root())


@cache
def once(script: Script) -> Script:
    """The same script, run through the session of its caller (see lua/lib/session)."""
    text = library().script(_SESSION).text.replace(_OPERATION, f"{script.text}\n", 1)
    return Script(script.name, text, _sha(text))


def script(name: str) -> Script:
    """The script of this name, e.g. `runs/cas_flow_state`; see ScriptLibrary.script."""
    return library().script(name)
