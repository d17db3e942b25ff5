"""What a client asks of the codec of payloads, which is above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Payloads(Protocol):
    """Codes payloads on their way to the server, and reads them on their way back (contract: payload-1)."""

    async def coded(self, run_id: str | None, arguments: Sequence[Any]) -> Sequence[Any]:
        """The arguments of a call about this run as they are sent."""
        ...

    async def read(self, reply: Any) -> Any:
        """The reply of a call with its payloads as they were."""
        ...

    def read_at_once(self, reply: Any) -> Any:
        """The same for what refers to no blob, as what is pushed does."""
        ...

    async def delete_blobs(self, run_id: str) -> None:
        """Delete what a run has stored outside of the server."""
        ...
