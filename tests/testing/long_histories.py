"""Long histories of registers that are linearizable by their making, and how long the checker takes for them.

    python -m tests.testing.long_histories [--operations 100000] [--keys 100] [--clients 16] [--unknown 0.01] [--seed 7]

It also plants one result that was never written, and says how long it takes to find that. Times are those of the
processor.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace
from random import Random

from redis_mob.testing.history import History, NoSerialOrderError, RecordedCall, check_parts
from redis_mob.testing.history_files import Operation
from redis_mob.testing.serial_models import Register

REFUSED: type[NoSerialOrderError[Operation]] = NoSerialOrderError

LONGEST = 80
"""The most that a call begins before its effect, or ends after it, on a clock that moves by 5 for each call or so."""


def linearizable(*, operations: int, keys: int, clients: int, seed: int, unknown: float = 0.0) -> History[Operation]:
    """Calls that took effect one after the other, and overlap at random; of some the outcome is unknown.

    Half of those have an effect all the same. Each write and swap has a value of its own.
    """
    random, model = Random(seed), Register()
    states = [model.start() for _ in range(keys)]
    free = [0] * clients
    calls: list[RecordedCall[Operation]] = []
    now = 0
    for value in range(1, operations + 1):
        now = max(now + random.randint(1, 10), min(free) + 1)
        client = random.choice([one for one in range(clients) if free[one] < now])
        started = random.randint(max(free[client], now - LONGEST), now)
        ended = free[client] = now + random.randint(1, LONGEST)
        number, kind = random.randrange(keys), random.random()
        expected = states[number] if random.random() < 0.7 else random.randrange(value)
        name, arguments = (
            ("read", ()) if kind < 0.4 else ("write", (value,)) if kind < 0.7 else ("swap", (expected, value))
        )
        call = Operation("register", str(number), name, arguments)
        result, after = model.apply(states[number], call)
        if random.random() < unknown:
            calls.append(RecordedCall(client, call, started))
            states[number] = random.choice((after, states[number]))
        else:
            calls.append(RecordedCall(client, call, started, ended, result))
            states[number] = after
    return History(calls)


def violated(history: History[Operation], seed: int) -> History[Operation]:
    """The same with one read of what was never written."""
    calls = list(history.calls)
    reads = [number for number, one in enumerate(calls) if one.call.name == "read" and one.ended is not None]
    number = Random(seed).choice(reads)
    calls[number] = replace(calls[number], result=-1)
    return History(calls)


async def _say(title: str, history: History[Operation]) -> None:
    began = time.process_time()
    try:
        await check_parts(history, lambda call: call.key, lambda _: Register())
        said = "has a serial order"
    except REFUSED as error:
        said = f"{'has none' if error.exhausted else 'is undecided'} behind {len(error.prefix)} calls of {error.part}"
    print(f"{title} {said}: {time.process_time() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--unknown", type=float, default=0.0, help="the share of calls whose outcome is unknown")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    history = linearizable(**vars(options))
    asyncio.run(_say("the history", history))
    asyncio.run(_say("with one wrong result it", violated(history, options.seed)))


if __name__ == "__main__":
    main()
