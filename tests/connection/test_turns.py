"""Turns of requests: none is lost, none is given twice, and they are taken in order."""

from __future__ import annotations

import asyncio

import pytest

from redis_mob.connection.servers.turns import Turns


async def test_so_many_turns_are_free() -> None:
    turns = Turns(2)
    assert [turns.take_free() for _ in range(3)] == [True, True, False]
    turns.give_back()
    assert [turns.take_free() for _ in range(2)] == [True, False]


async def test_those_who_wait_get_their_turns_in_order() -> None:
    turns = Turns(1)
    assert turns.take_free()
    order: list[int] = []

    async def take(number: int) -> None:
        await turns.take()
        order.append(number)
        turns.give_back()

    waiting = [asyncio.create_task(take(number)) for number in range(3)]
    await asyncio.sleep(0)
    turns.give_back()
    assert not turns.take_free(), "it was handed over"
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]
    assert turns.take_free()


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_turn_is_not_lost_with_a_caller_that_is_cancelled(handed_over: bool) -> None:
    turns = Turns(1)
    assert turns.take_free()
    first, second = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    if handed_over:
        turns.give_back()
        first.cancel()
    else:
        first.cancel()
        await asyncio.sleep(0)
        turns.give_back()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not turns.take_free()
    turns.give_back()
    assert turns.take_free()
