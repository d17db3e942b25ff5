"""The search knows by which other words a page is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from website.navigation import read_navigation
from website.search import QuestionSearch, with_keywords


def test_the_scorer_has_the_keywords_of_all_pages(tmp_path: Path) -> None:
    app: Any = SimpleNamespace(srcdir=tmp_path)
    config: Any = SimpleNamespace(html_search_scorer="")
    with_keywords(app, config)
    found = re.search(r"^const WORDS = (\{.+\});$", Path(config.html_search_scorer).read_text(), re.MULTILINE)
    assert found
    words = json.loads(found[1])
    assert len(words) == len(read_navigation().keywords)
    assert "worker dies" in words["how-to/recovery"]


def test_words_that_make_a_question_are_left_out() -> None:
    asked = {"what", "happens", "when", "how", "do", "i", "can"}
    assert asked <= QuestionSearch.stopwords
    assert not {"worker", "run", "cancel"} & QuestionSearch.stopwords
