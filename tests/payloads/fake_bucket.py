"""A bucket on loopback that knows what the adapter asks of S3: put, get, list and delete."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

FORBIDDEN = "/forbidden/"


class FakeBucket:
    """The server; `objects` has what was put, by path."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        bucket = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self._is_refused():
                    return
                bucket.objects[self._path] = data
                self._answer(200, headers={"ETag": '"e"'})

            def do_GET(self) -> None:
                if self._is_refused():
                    return
                query = parse_qs(urlsplit(self.path).query)
                if "list-type" in query:
                    self._answer(200, bucket.listed(self._path, query.get("prefix", [""])[0]))
                elif self._path in bucket.objects:
                    headers = {"ETag": '"e"', "Last-Modified": "Sun, 29 Nov 2026 10:00:00 GMT"}
                    self._answer(200, bucket.objects[self._path], headers)
                else:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self._is_refused():
                    return
                keys = re.findall("<Key>(.*?)</Key>", body)
                for key in keys:
                    bucket.objects.pop(f"{self._path.rstrip('/')}/{key}", None)
                gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
                self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

            def do_DELETE(self) -> None:
                if not self._is_refused():
                    bucket.objects.pop(self._path, None)
                    self._answer(204)

            @property
            def _path(self) -> str:
                return unquote(urlsplit(self.path).path)

            def _is_refused(self) -> bool:
                if refused := f"{self._path}/".startswith(FORBIDDEN):
                    self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                return refused

            def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is told."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self) -> dict[str, str]:
        """How programs reach it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def let_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have this process reach it."""
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)

    def listed(self, path: str, prefix: str) -> bytes:
        """The objects of a bucket whose names begin so."""
        bucket = f"{path.rstrip('/')}/"
        names = [name.removeprefix(bucket) for name in sorted(self.objects) if name.startswith(bucket + prefix)]
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-29T10:00:00.000Z</LastModified>"
            f"<ETag>e</ETag><Size>{len(self.objects[bucket + name])}</Size></Contents>"
            for name in names
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()
