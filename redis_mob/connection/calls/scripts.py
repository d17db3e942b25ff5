"""Reads the Lua scripts, one file per atomic operation, flattens their includes and binds their names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from redis_mob.connection.calls.headers import Header, NamedArguments, bind_names
from redis_mob.connection.servers.requests import Part
from redis_mob.errors import InternalError, shown

_DIRECTIVE = re.compile(r"^( *)--- @(include \S+|operation)[ \t]*$", re.MULTILINE)
_UNKNOWN = re.compile(r"^--- @(?!operation$).*$", re.MULTILINE)
_SESSION = "lib/session"
_KEYS_OF_SESSION = 2
"""The keys that a session has behind those of its operation."""
_FUNCTION = re.compile(r"^local function (\w+)\((?:.*end$|.*\n(?:(?!end$).*\n)*end$)", re.MULTILINE)
"""A function at the top level: one line, or lines up to an `end` at the beginning of one."""
_COMMENT = re.compile(r"--.*")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)+")


@dataclass(frozen=True, slots=True)
class Script:
    """A script as the server gets it: `text` has no includes left, `sha` is the SHA-1 that EVALSHA names.

    `source` is the text with its includes, `header` what its lines of names say.
    """

    name: str
    text: str
    sha: str
    source: str = field(compare=False)
    header: Header = field(compare=False)

    def __repr__(self) -> str:
        return f"Script({self.name!r})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its keys, in the order in which they are passed."""
        return self.header.keys

    def arguments(self, given: NamedArguments) -> list[Part]:
        """Arguments given by name, as the script takes them. Raises InternalError for a missing or an unknown name."""
        return self.header.arguments(self.name, given)


class ScriptLibrary:
    """The scripts below one directory. Names are paths without `.lua`; what lies in `lib/` is there to be included."""

    def __init__(self, root: Traversable) -> None:
        self._root = root
        self._known: dict[str, Script] = {}
        self._sources: dict[str, str] = {}

    def script(self, name: str) -> Script:
        """The flattened script of this name, read once.

        Raises InternalError naming the file when it, or a fragment it includes, is missing or includes itself, or has a
        line of names that cannot be read.
        """
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self.compiled(name, self._read(name, ()))
        return known

    def compiled(self, name: str, source: str) -> Script:
        """A script from its source; raises as `script` does."""
        return self._script(name, source, self._flatten(source, (name,), {name}))

    def once(self, script: Script) -> Script:
        """The same script, run through the session of its caller (see lua/lib/session).

        Both share the fragments that the session includes, so that the session counts what the operation writes.
        """
        session = self._flatten(self._read(_SESSION, ()), (_SESSION,), {_SESSION}, script)
        return self._script(script.name, script.source, session, keys_behind=_KEYS_OF_SESSION)

    def _script(self, name: str, source: str, flattened: str, *, keys_behind: int = 0) -> Script:
        text, header = bind_names(name, flattened, keys_behind=keys_behind)
        if (line := _UNKNOWN.search(text)) is not None:
            raise InternalError(f"{name}.lua has a line that says nothing to the loader: {line[0]}")
        text = _without_unused(text)
        return Script(name, text, _sha(text), source, header)

    def names(self) -> list[str]:
        """The names of all scripts, sorted; fragments are not scripts."""
        return sorted(
            f"{folder.name}/{file.name.removesuffix('.lua')}"
            for folder in self._root.iterdir()
            if folder.is_dir() and folder.name != "lib"
            for file in folder.iterdir()
            if file.name.endswith(".lua")
        )

    def _flatten(self, source: str, path: tuple[str, ...], seen: set[str], operation: Script | None = None) -> str:
        """The source with each fragment where it is first included, and the operation where it belongs.

        An indented include is for the block in which it stands: Lua makes functions anew wherever it comes to them, so
        that those which are seldom needed are made where they are. Others who want it include it for themselves.
        """

        def replaced(match: re.Match[str]) -> str:
            word, _, name = match[2].partition(" ")
            if word == "operation":
                # what it includes is seen in its function alone
                return match[0] if operation is None else self._flatten(operation.source, (operation.name,), set(seen))
            if name in path:
                raise InternalError(f"Lua includes go in a circle: {' -> '.join((*path, name))}")
            # once, because a second copy of lib/mutate would begin its count of writes anew
            if name in seen:
                return ""
            around = set(seen) if match[1] else seen
            around.add(name)
            included = self._flatten(self._read(name, path), (*path, name), around)
            return match[1] + included.replace("\n", "\n" + match[1]) if match[1] else included

        return _DIRECTIVE.sub(replaced, source)

    def _read(self, name: str, path: tuple[str, ...]) -> str:
        origin = f", included by {path[-1]}.lua" if path else ""
        if _NAME.fullmatch(name) is None:
            raise InternalError(f"{shown(name)} names no Lua script{origin}: names look like runs/create_run")
        try:
            if name not in self._sources:
                self._sources[name] = self._root.joinpath(f"{name}.lua").read_text(encoding="utf-8")
            return self._sources[name]
        except FileNotFoundError as error:
            raise InternalError(f"the Lua script {name}.lua{origin} is missing from this installation") from error


def _without_unused(text: str) -> str:
    """The text without the functions at its top level that nothing in it names: each call would make them anew."""
    blocks = [(function[1], function[0], _words(function[0])) for function in _FUNCTION.finditer(text)]
    named = _words(_FUNCTION.sub("", text))
    while reached := [block for block in blocks if block[0] in named]:
        blocks = [block for block in blocks if block[0] not in named]
        named = named.union(*(words for _, _, words in reached))
    for _, block, _ in blocks:
        text = text.replace(block, "", 1)
    return text


@cache  # most functions stand in many scripts
def _words(text: str) -> set[str]:
    return set(_WORD.findall(_COMMENT.sub("", text)))


def _sha(text: str) -> str:
    # EVALSHA names scripts by SHA-1; "not for security", so that Python builds that forbid it for that allow it here
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def scripts_root() -> Traversable:
    """The folder of the scripts: in an installed wheel, or in a checkout."""
    installed = resources.files("redis_mob") / "lua"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "lua"


@cache
def library() -> ScriptLibrary:
    """The scripts of this library: `redis_mob/lua` of an installed wheel, `lua` of a checkout."""
    return ScriptLibrary(scripts_root())


_once: dict[str, Script] = {}


def once(script: Script) -> Script:
    """The same script, run through the session of its caller; see ScriptLibrary.once."""
    # by its digest, because to hash a script takes several times as long
    known = _once.get(script.sha)
    if known is None:
        known = _once[script.sha] = library().once(script)
    return known


@cache
def script(name: str) -> Script:
    """The script of this name, e.g. `runs/cas_flow_state`; see ScriptLibrary.script."""
    return library().script(name)


def names_by_digest() -> dict[str, str]:
    """The names of all scripts by what EVALSHA calls them: what writes has another form in a session."""
    scripts = [library().script(name) for name in library().names()]
    forms = ((one, (one, once(one)) if "mutate(" in one.text else (one,)) for one in scripts)
    return {form.sha: one.name for one, both in forms for form in both}
