"""At which line of the handler something failed, by its traceback."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

_FRAME = re.compile(r'^[\s|+-]*File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)$')
_HEADER = "Traceback (most recent call last):"
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_PACKAGE = Path(__file__).parents[1]
_NOT_OF_USERS = tuple(
    f"{Path(folder).resolve()}/" for folder in (_PACKAGE, *map(sysconfig.get_path, ("stdlib", "platstdlib")))
)


def place_in(traceback: str) -> str | None:
    """The innermost frame of a traceback that is neither of a library nor of Python; else the innermost one.

    None if that is of this package: where a handler of ours says what has failed tells its users nothing.
    """
    lines = traceback.splitlines()
    # that of the exception itself comes after those of its causes
    began = max((number for number, line in enumerate(lines) if line == _HEADER), default=0)
    frames = [found for line in lines[began:] if (found := _FRAME.match(line))]
    if not frames:
        return None
    own = [frame for frame in frames if _is_of_user(frame["file"])]
    frame = (own or frames)[-1]
    if not own and _is_ours(frame["file"]):
        return None
    return f"{_short(frame['file'])}:{frame['line']} in {frame['name']}"


def _is_of_user(file: str) -> bool:
    return not (file.startswith(("<", *_NOT_OF_USERS)) or any(folder in file for folder in _LIBRARIES))


def _is_ours(file: str) -> bool:
    return file.startswith(_NOT_OF_USERS[0]) or any(f"{folder}{_PACKAGE.name}/" in file for folder in _LIBRARIES)


def _short(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
