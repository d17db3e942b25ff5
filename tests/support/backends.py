"""Which tests run on which storage: on a server and in memory alike, unless a test looks at the server itself."""

from __future__ import annotations

import pytest

ON_SERVER = "server"
IN_MEMORY = "memory"


def parametrize_backend(metafunc: pytest.Metafunc) -> None:
    """Runs every test that opens a storage by `backend` on both; one that asks for `server_url`, only there."""
    if "backend" in metafunc.fixturenames:
        on_server_alone = "server_url" in metafunc.fixturenames
        metafunc.parametrize("backend", [ON_SERVER] if on_server_alone else [ON_SERVER, IN_MEMORY], scope="session")


def url_of(backend: str, request: pytest.FixtureRequest) -> str:
    """The URL of a backend; a server is only started for tests that run on it."""
    return "memory:" if backend == IN_MEMORY else request.getfixturevalue("server_url")
