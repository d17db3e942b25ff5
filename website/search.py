"""The search of the site: it leaves out the words that make a question of what is asked for."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

QUESTION_WORDS = frozenset({"can", "get", "happens", "happen", "make", "need", "use", "want", "way"})
"""Beside those that Sphinx leaves out, as `how` and `what`: a page that answers need not have them."""


class QuestionSearch(SearchEnglish):
    """English, asked in questions."""

    stopwords = SearchEnglish.stopwords | QUESTION_WORDS


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_search_language(QuestionSearch)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
