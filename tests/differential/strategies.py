"""What several machines draw: few names, so that calls meet; and now and then something odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from redis_mob.testing.samples.json_values import ANY_JSON, NO_JSON


def rarely(odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual ones, and one time out of twenty or so an odd one."""
    return st.integers(0, 20).flatmap(lambda number: odd if number == 13 else usual)


def either(usual: Sequence[Any], odd: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of the usual ones, rarely one of the odd ones."""
    return rarely(st.sampled_from(odd), st.sampled_from(usual))


NO_UTF8 = "\ud800"
"""A name that nothing can bear."""

NAMES = either(["a", "a\0"], ["é", NO_UTF8])

DOCUMENTS: st.SearchStrategy[Any] = st.sampled_from(
    [None, 1, 1.0, True, 0.0, -0.0, "1", [], {}, {"b": [1, {}], "a": "é"}, {"a": "é", "b": [1.0, {}]}, ANY_JSON]
)
"""Values that are easily taken for one another, or change on their way."""

VALUES = rarely(st.sampled_from(list(NO_JSON.values())), DOCUMENTS)
"""Values, rarely something that is none."""
