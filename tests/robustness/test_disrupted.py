"""Every method that writes happens once, also on a server that is full for a while."""

from __future__ import annotations

from tests.robustness import disrupted
from tests.robustness.seeds import new_seed


async def test_each_call_happens_once_while_the_server_is_full() -> None:
    report = await disrupted.run(seed=new_seed(), nemeses=["memory-full"], disruptions=1, calls=150)
    assert report.broken == []
    assert report.figures["memory-full"]["mutating operations"] >= 150
