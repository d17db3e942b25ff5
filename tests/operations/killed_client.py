"""A client in a process that kills itself while one of its calls is under way."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from redis_mob.connection.calls.client import Client


class KilledClient:
    """Calls as another client does, and ends its process by SIGKILL once the call of a number has been sent."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._left = number
        self.read, self.payloads = client.read, client.payloads

    async def call(self, *arguments: Any) -> Any:
        """The answer of the server, unless this is the last call."""
        self._left -= 1
        answer = asyncio.ensure_future(self._client.call(*arguments))
        if self._left == 0:
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGKILL)
        return await answer
