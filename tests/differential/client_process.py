"""A client in a process of its own that makes random calls of all stores, and writes down when, and what it was told.

It reads from its standard input, as a line of JSON each time, what to do, and then an empty line when to begin. It
writes lines of JSON: that it is ready; of each call first the call and when it started, then when it ended and what it
was told; and at last `null`. Where it is to die, it does so in the middle of a call.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from random import Random
from typing import Any

from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from tests.differential.calls import FIRST, answer, draw
from tests.differential.check_then_act import CheckThenAct

SEAL_KEY = SealKey("k", bytes(32))


def tell(*words: Any) -> None:
    print(json.dumps(words or None), flush=True)


async def work(
    url: str,
    *,
    namespace: str,
    seed: str,
    operations: list[list[str]],
    calls: int,
    check_then_act: bool,
    dies_after: float | None,
) -> None:
    async with MobStorage.open(url, namespace=namespace, seal_key=SEAL_KEY) as storage:
        stores = CheckThenAct(storage) if check_then_act else storage
        tell("ready")
        sys.stdin.readline()
        if dies_after is not None:
            asyncio.get_running_loop().call_later(dies_after, os._exit, 0)  # nothing but a call lets the loop run
        random = Random(seed)
        for call in [*FIRST, *(draw(random, operations) for _ in range(calls))]:
            tell(call, time.monotonic_ns())
            told = await answer(stores, call)
            tell(time.monotonic_ns(), told)
    tell()


async def main(url: str) -> None:
    for line in sys.stdin:
        await work(url, **json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
