"""The files of the page, made ready and compressed once; browsers keep them while they are the same (decision 0064)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.ui.page_modules import together

INDEX = "index.html"
MAIN = "main.js"

_NAMED = ("favicon.svg", "style.css", "views.css", "early.js", MAIN)
"""Files whose names carry the digest of what they are, so that a browser never asks for one twice. The others are
the page itself, which names these, and the licences."""

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "md": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

_FOR_EVER = "public, max-age=31536000, immutable"
_ASKED_FOR_ANEW = "no-cache"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page, as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str
    cache_control: str


def routes() -> list[Route]:
    """A route for each file, and that of the page itself: where one is in it stands behind the hash."""
    names = ["", *page_files()]
    return [Route(f"/{name}", _send) for name in names]


@cache
def page_files() -> dict[str, PageFile]:
    """All files that are sent, by their paths below the page."""
    texts = dict(_walk(files("redis_mob.ui").joinpath("page"), ""))
    modules = {name for name in texts if name.endswith(".js")}
    sent = {name: text for name, text in texts.items() if name not in modules or name in _NAMED}
    sent[MAIN] = together(MAIN, texts.__getitem__)
    named: dict[str, str] = {}
    found: dict[str, PageFile] = {}
    for name in [*_NAMED, *sorted(sent.keys() - set(_NAMED))]:
        text = sent[name]
        for plain, with_digest in named.items():
            text = text.replace(f'"{plain}"', f'"{with_digest}"')
        content = text.encode()
        digest = sha256(content).hexdigest()[:32]
        if name in _NAMED:
            stem, _, ending = name.rpartition(".")
            named[name] = f"{stem}-{digest[:16]}.{ending}"
        found[named.get(name, name)] = PageFile(
            content=content,
            compressed=gzip.compress(content, 9, mtime=0),
            media_type=_TYPES[name.rpartition(".")[2]],
            etag=f'"{digest}"',
            cache_control=_FOR_EVER if name in _NAMED else _ASKED_FOR_ANEW,
        )
    return found


async def _send(request: Request) -> Response:
    file = page_files()[request.url.path.lstrip("/") or INDEX]
    headers = {"Cache-Control": file.cache_control, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}{entry.name}"
        found += _walk(entry, f"{path}/") if entry.is_dir() else [(path, entry.read_text(encoding="utf-8"))]
    return found
