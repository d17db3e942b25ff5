"""Calls of all kinds through a bad network happen once each, and a server that forgets receipts is found out."""

from __future__ import annotations

import asyncio

from redis_mob.connection.calls.client import connect
from redis_mob.testing.faults import Fault
from tests.robustness import faults
from tests.robustness.seeds import new_seed
from tests.robustness.traffic import WRITES

OPERATIONS = 2_500
"""So many that calls of every kind are among them, of which there are eighty, with any seed."""


async def test_calls_of_every_kind_happen_once_and_their_outcome_is_learned() -> None:
    report = await faults.run(seed=new_seed(), operations=OPERATIONS)
    assert report.broken == []
    assert report.figures["mutating operations"] >= OPERATIONS
    assert {name for name, calls in report.figures["mutating operations by kind"].items() if calls} == WRITES
    assert all(report.figures["requests by fault"][fault.value] for fault in Fault)
    assert all(report.figures["outcomes"][learned] for learned in ("unknown: executed", "unknown: not executed"))


async def test_a_server_that_forgets_receipts_is_found_out() -> None:
    report = await faults.run(seed=new_seed(), operations=OPERATIONS, saboteur=forget_receipts)
    assert report.broken


FORGET = """
for _, session in ipairs(redis.call('KEYS', '*:session:*')) do
  local receipts = redis.call('HGETALL', session)
  for i = 1, #receipts, 2 do
    local slot, receipt = receipts[i], receipts[i + 1]
    if redis.call('HGET', 'forgotten', session .. slot) ~= receipt then
      local sequence, reply = string.match(receipt, '^(%d+)( .*)$')
      local older = string.format('%d', tonumber(sequence) - 1) .. reply
      redis.call('HSET', 'forgotten', session .. slot, older)
      redis.call('HSET', session, slot, older)
    end
  end
end
"""


async def forget_receipts(url: str) -> None:
    """Make every receipt that of the call before, again and again, so that a call that is sent again happens again.

    One script does it: on a busy machine a loop of requests is too slow to come between a call and its repetition.
    """
    connection = await connect(url)
    try:
        while True:
            await connection.router.request("EVAL", FORGET, 0)
            await asyncio.sleep(0.001)
    finally:
        await connection.aclose()
