"""The certificates that clients of httpx2 trust."""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


@cache
def client_tls() -> ssl.SSLContext:
    """What a client would make for each attempt: reading all certificates takes a tenth of a second of the loop."""
    return httpx2.create_ssl_context()
