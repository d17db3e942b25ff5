"""The files of the project that are no modules."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def text_of(name: str) -> str:
    """What is in a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")
