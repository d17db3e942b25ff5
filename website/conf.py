"""Settings of Sphinx."""

from __future__ import annotations

from pathlib import Path

from redis_mob.version import __version__
from website import REPOSITORY, SITE

HERE = Path(__file__).parent

project = "redis_mob"
release = version = __version__
copyright = "the authors of redis_mob, MIT license"
extensions = ["myst_parser", "sphinx.ext.autodoc", "website.docstrings", "website.search"]
templates_path = [str(HERE / "templates")]
highlight_language = "text"
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", ".*")
]  # types in signatures: some are of other packages, or of rooms that are not public

# Pages of the repository, and docstrings, are Markdown.
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 100

html_theme = "furo"
html_title = "redis_mob"
html_baseurl = f"{SITE}/latest/"
html_static_path = [str(HERE / "static")]
html_favicon = str(HERE.parent / "redis_mob" / "ui" / "page" / "favicon.svg")
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"type": "module"})]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
no_buttons: list[str] = []  # they would lead to the staged copy of a page
html_theme_options = {"top_of_page_buttons": no_buttons}

linkcheck_anchors = False
linkcheck_timeout = 30
linkcheck_ignore = [
    r"https?://localhost",
    rf"{REPOSITORY}/(blob|tree)/v{__version__}/",  # there once the version has its tag
]
