"""Hashes as a server gives them: fields and values in a row."""

from __future__ import annotations

from collections.abc import Sequence


def as_mapping(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """A hash from its fields and values in a row."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
