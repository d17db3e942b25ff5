"""A process that delivers webhooks until it is killed: `python -m tests.webhooks.killed_worker URL NAMESPACE CALL`.

With CALL above 0 it kills itself once so many calls of the store of webhooks that write have been sent.
"""

# It looks behind the store, to be killed within one of its calls.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Any

from redis_mob.errors import UnsealedSecretsWarning
from redis_mob.storage import MobStorage
from redis_mob.webhooks.duty import WebhookDuty
from tests.operations.killed_client import KilledClient
from tests.webhooks.scenes import FAST


async def main(url: str, namespace: str, call: int) -> None:
    warnings.simplefilter("ignore", UnsealedSecretsWarning)
    async with MobStorage.open(url, namespace=namespace) as storage:
        if call:
            store: Any = storage.webhooks
            store._client = KilledClient(store._client, call)
        await WebhookDuty(storage, timing=FAST).run(asyncio.Event(), "killed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
