"""What people write in a placeholder who know the templates of other programs: filters and expressions."""

from __future__ import annotations

import re

_FILTER = "|"

_EXPRESSION = re.compile(r"""["'()\[\]]|\s(?:or|and|not|if|else|in|is|[-+*/%~<>=?!:]{1,3})\s""")


def foreign_path(path: str) -> str | None:
    """Why such a text is no path, None if it is nothing of the kind."""
    if _FILTER in path:
        return "there are no filters: nothing but a path may stand here"
    if _EXPRESSION.search(path):
        return "it is an expression, and nothing but a path may stand here, as params.topic or params.list.0"
    return None
