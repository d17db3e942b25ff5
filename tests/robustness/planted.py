"""Faults of one line, planted in the code that is running."""

from __future__ import annotations

import inspect
import sys
import textwrap
from typing import Any

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, right: str, wrong: str) -> None:
    """Let a method be what it would be with this piece of its text replaced, which has to be there once."""
    found: Any = inspect.getattr_static(owner, name)
    function: Any = found.fget if isinstance(found, property) else found
    text = textwrap.dedent(inspect.getsource(function))
    assert text.count(right) == 1, f"{owner.__name__}.{name} does not have this once: {right}"
    made: dict[str, Any] = {}
    # with the names of its module, as they are when it is called
    source = "from __future__ import annotations\n" + text.replace(right, wrong)
    exec(compile(source, f"<planted in {name}>", "exec"), vars(sys.modules[owner.__module__]), made)  # noqa: S102
    monkeypatch.setattr(owner, name, made[name])
