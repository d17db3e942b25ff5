"""A process that answers asks, one after the other, and learns of each whether its answer is the one.

    python -m tests.robustness.answerer URL NAMESPACE DEADLINE NAME

It reads a line of JSON: run and id of each ask that it has to answer. It approves each with its own name, and does so
again when it is through. In the end it prints the ids of those whose answer is its own, and what it met.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import CasConflictError, ReadFailedError, WriteFailedError
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.robustness.signaller import PAUSE, REPLY_TIMEOUT, opened


async def is_answered(storage: MobStorage, run_id: str, ask_id: str, name: str, learned: Counter[str]) -> bool:
    """Answer an ask, and say whether this answer is the one."""
    while True:
        try:
            is_new = await FleetAdmin(storage).answer(ask_id, value=name, by=name, run_id=run_id)
        except CasConflictError:
            learned["another was the first"] += 1
            return False
        except (ReadFailedError, WriteFailedError) as error:
            learned[type(error).__name__] += 1
            await asyncio.sleep(PAUSE)
        else:
            learned["answered" if is_new else "this answer was there"] += 1
            return True


async def main(url: str, namespace: str, deadline: float, name: str) -> None:
    retry = RetryPolicy(deadline=deadline, base=0.005, cap=0.05, reply_timeout=REPLY_TIMEOUT)
    storage = await opened(url, namespace, retry)
    try:
        print("ready", flush=True)
        asks: Sequence[tuple[str, str]] = json.loads(await asyncio.to_thread(sys.stdin.readline))
        learned, own = Counter[str](), list[list[str]]()
        for _ in range(2):
            own.append([ask for run_id, ask in asks if await is_answered(storage, run_id, ask, name, learned)])
        print(json.dumps({"own": own, "learned": learned}), flush=True)
    finally:
        await storage.aclose()


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    url, namespace, deadline, name = sys.argv[1:]
    asyncio.run(main(url, namespace, float(deadline), name))
