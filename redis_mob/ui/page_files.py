"""The files of the page, read and compressed once; browsers keep them as long as they are the same (decision 0052)."""

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

INDEX = "index.html"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "md": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page, as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def routes() -> list[Route]:
    """A route for each file, and that of the page itself: where one is in it stands behind the hash."""
    names = ["", *page_files()]
    return [Route(f"/{name}", _send) for name in names]


@cache
def page_files() -> dict[str, PageFile]:
    """All files of the page, by their paths below it."""
    return {name: _read(name, file) for name, file in _walk(files("redis_mob.ui").joinpath("page"), "")}


async def _send(request: Request) -> Response:
    file = page_files()[request.url.path.lstrip("/") or INDEX]
    # a browser asks each time whether its copy is still the one: a new release is there at once
    headers = {"Cache-Control": "no-cache", "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}{entry.name}"
        found += _walk(entry, f"{path}/") if entry.is_dir() else [(path, entry)]
    return found


def _read(name: str, file: Traversable) -> PageFile:
    content = file.read_bytes()
    return PageFile(
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
        media_type=_TYPES[name.rpartition(".")[2]],
        etag=f'"{sha256(content).hexdigest()[:32]}"',
    )
