"""Random fields that no class of ours has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**80), 10**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
of_code = [
    "model_dump",
    "model_extra",
    "__class__",
    "copy",
    "kernel_state",
    "payload",
    "unknown",
    "_snapshot",
    "_unread",
]
"""Names that something else has in a model, or where it is stored."""
names = st.sampled_from(["later", "failure_cause", "", "é", *of_code]) | st.text()
unknown_fields = st.dictionaries(names, values, min_size=1, max_size=3)


def in_one_of_four(data: st.DataObject) -> Callable[[], dict[str, Any]]:
    """Draws unknown fields for some of the objects of a document."""
    return lambda: data.draw(unknown_fields) if data.draw(st.integers(0, 3)) == 0 else {}
