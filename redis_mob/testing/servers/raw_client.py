"""A client of a server past the library, for tests that look into it, or change it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, cast

from redis import Redis


class RawClient:
    """redis-py's synchronous client, closed at the end of a `with` block.

    Its methods and their replies have the type `Any` here: redis-py leaves most of them without one.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def client_of(url: str, **options: Any) -> RawClient:
    """A client of the server at a URL, with these options of redis-py; it reads replies as RESP 2."""
    return RawClient(cast("Any", Redis).from_url(url, protocol=2, **options))
