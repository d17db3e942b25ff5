"""The search of the site: it leaves out the words that make a question of what is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.en import SearchEnglish

from website.navigation import place_of, read_navigation

SCORER = Path(__file__).with_name("scorer.js")

QUESTION_WORDS = frozenset({"can", "get", "happens", "happen", "make", "need", "use", "want", "way"})
"""Beside those that Sphinx leaves out, as `how` and `what`: a page that answers need not have them."""


class QuestionSearch(SearchEnglish):
    """English, asked in questions."""

    stopwords = SearchEnglish.stopwords | QUESTION_WORDS


def with_keywords(app: Sphinx, config: Config) -> None:
    """Write the scorer with the keywords of pages: by the words of a question alone, most pages are alike."""
    navigation = read_navigation()
    words = {place_of(page).removesuffix(".md"): list(given) for page, given in navigation.keywords.items()}
    text = SCORER.read_text(encoding="utf-8").replace("WORDS = {}", f"WORDS = {json.dumps(words)}")
    scorer = Path(app.srcdir, "scorer.js")
    scorer.write_text(text, encoding="utf-8")
    config.html_search_scorer = str(scorer)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_search_language(QuestionSearch)
    app.connect("config-inited", with_keywords)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
