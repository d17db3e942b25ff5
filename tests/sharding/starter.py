"""A process that starts runs under given keys, over the namespaces that it knows when it is opened.

    python -m tests.sharding.starter URL FIRST_NAMESPACE KEY...

It says `ready`, waits for a line, starts the runs in its own order, and prints their ids by key as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Sequence

from tests.fleet.flows import FLOW
from tests.sharding.fleets import fleet_of


async def main(url: str, first: str, keys: Sequence[str]) -> None:
    async with fleet_of(url, [first]) as fleet:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        order = list(keys)
        random.shuffle(order)
        ids = await asyncio.gather(*(fleet.start(FLOW, {"key": key}, key) for key in order))
        print(json.dumps(dict(zip(order, ids, strict=True))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
