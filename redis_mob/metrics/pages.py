"""Metrics as text: in the format of Prometheus, or in that of OpenMetrics where a client asks for it."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector


class Page(NamedTuple):
    """A text, and the type that an answer says it has."""

    content_type: str
    text: bytes


def page_of(collector: Collector, accept: str) -> Page:
    """What a collector tells, in the form that a header `Accept` asks for."""
    encode, content_type = choose_encoder(accept)
    return Page(content_type, encode(collector))
