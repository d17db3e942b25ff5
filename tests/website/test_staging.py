"""Pages are brought to the site with links that lead on, and nothing else of them is changed."""

from __future__ import annotations

import re

import pytest

from redis_mob.version import __version__
from website import REPOSITORY
from website.navigation import read_navigation
from website.staging import rewritten, staged

HERE = "docs/contract/events.md"
FILES = f"{REPOSITORY}/blob/v{__version__}"


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("[flows](../flows.md#steps)", "[flows](../flows.md#steps)"),
        ("[all](../how-to/README.md)", "[all](../how-to/index.md)"),
        ("[all](../how-to)", "[all](../how-to/index.md)"),
        ("[start](../../README.md#ten-lines)", "[start](../index.md#ten-lines)"),
        ("[tell](../../SECURITY.md)", "[tell](../project/security.md)"),
        ("[`events.py`](../../redis_mob/contracts/events.py)", f"[`events.py`]({FILES}/redis_mob/contracts/events.py)"),
        ("[lua](../../lua/host)", f"[lua]({REPOSITORY}/tree/v{__version__}/lua/host)"),
        ("![run](../pictures/run.png)", "![run](../pictures/run.png)"),
        ("[flows.md](../flows.md)", "[Flows in Python](../flows.md)"),
        ("[docs/how-to](../how-to/README.md)", "[How do I ...?](../how-to/index.md)"),
        ("[here](#events-1)", "[here](#events-1)"),
        ("[there](https://example.org/README.md)", "[there](https://example.org/README.md)"),
        ('<a id="events-1"></a>**events-1** One log.', "[[events-1](#events-1)]{#events-1 .rule} One log."),
        ('<a id="loops"></a>\nLoops', "[]{#loops}\nLoops"),
        ("```text\n[code](../flows.md)\n```", "```text\n[code](../flows.md)\n```"),
    ],
)
def test_a_link_leads_to_the_place_on_the_site(link: str, led: str) -> None:
    assert rewritten(link, HERE, read_navigation()) == led


def test_the_home_page_has_the_menu_and_an_index_page_the_pages_below_it() -> None:
    navigation = read_navigation()
    home = staged("README.md", navigation)
    captions = re.findall(r":caption: (.+)", home)
    assert captions == [section.title for section in navigation.sections]
    assert "\n/how-to/cancel\n" in staged("docs/how-to/README.md", navigation)
    assert "toctree" not in staged("docs/flows.md", navigation)


def test_keywords_stand_above_their_page() -> None:
    assert staged("docs/backup.md", read_navigation()).startswith("---\nmyst:\n  html_meta:\n    keywords: ")
