"""Reads the golden data in tests/data, which the real Rust stores wrote."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data"


def read_jsonl(name: str) -> list[Any]:
    """One JSON value per line of `tests/data/<name>`, which may be stored as `<name>.gz`.

    Lines end at a newline only: some strings hold a raw U+2028, at which `str.splitlines` would break.
    """
    plain = DATA / name
    raw = plain.read_bytes() if plain.exists() else gzip.decompress((DATA / f"{name}.gz").read_bytes())
    return [json.loads(line) for line in raw.decode().split("\n") if line]


def named(name: str) -> list[Any]:
    """The lines of a file as pytest parameters, each with its `name` as id."""
    import pytest

    return [pytest.param(line, id=line["name"]) for line in read_jsonl(name)]
