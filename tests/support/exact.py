"""Comparing JSON to the last detail: order of keys, 1 against 1.0 and true, sign of zero."""

from __future__ import annotations

import json
from typing import Any


def exact(value: Any) -> str:
    """One text per JSON value; two values with equal texts differ in nothing."""
    return json.dumps(value)


def exact_text(text: str) -> str:
    """The same, of a value that is given as JSON text."""
    return exact(json.loads(text))
