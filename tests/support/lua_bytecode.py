"""Which globals a Lua script reads and writes, told from what the server's own compiler makes of it.

The sandbox of a server refuses writes to globals only when they happen; the bytecode shows all of them.
Format: Lua 5.1, as `string.dump` writes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_GETGLOBAL, _SETGLOBAL = 5, 7
_NIL, _BOOLEAN, _NUMBER, _STRING = 0, 1, 3, 4


@dataclass
class Globals:
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


class _Chunk:
    def __init__(self, dump: bytes) -> None:
        assert dump[:5] == b"\x1bLuaQ", "not a chunk of Lua 5.1"
        assert dump[6:12] == b"\x01\x04\x08\x04\x08\x00", "another layout of numbers than that of a 64-bit server"
        self._dump = dump
        self._at = 12
        self.globals = Globals()
        self._function()

    def _take(self, layout: str) -> int:
        (value,) = struct.unpack_from(f"<{layout}", self._dump, self._at)
        self._at += struct.calcsize(layout)
        return value

    def _skip(self, size: int) -> None:
        self._at += size

    def _string(self) -> str:
        size = self._take("Q")
        text = self._dump[self._at : self._at + size]
        self._skip(size)
        return text.removesuffix(b"\0").decode("latin-1")

    def _constant(self) -> str | None:
        kind = self._take("B")
        if kind == _STRING:
            return self._string()
        self._skip({_NIL: 0, _BOOLEAN: 1, _NUMBER: 8}[kind])
        return None

    def _function(self) -> None:
        self._string()
        self._skip(4 + 4 + 4)
        code = [self._take("I") for _ in range(self._take("i"))]
        constants = [self._constant() for _ in range(self._take("i"))]
        for instruction in code:
            operation, name = instruction & 0x3F, instruction >> 14
            if operation in (_GETGLOBAL, _SETGLOBAL):
                text = constants[name]
                assert text is not None
                (self.globals.read if operation == _GETGLOBAL else self.globals.written).add(text)
        for _ in range(self._take("i")):
            self._function()
        self._skip(4 * self._take("i"))
        for _ in range(self._take("i")):
            self._string()
            self._skip(4 + 4)
        for _ in range(self._take("i")):
            self._string()


def globals_of(dump: bytes) -> Globals:
    """The globals that a dumped function, with all functions inside it, reads and writes."""
    return _Chunk(dump).globals
