"""Servers that refuse writes make no client believe in a loss; one that does lose is found out."""

from __future__ import annotations

import asyncio

from tests.robustness import refusals
from tests.robustness.seeds import new_seed
from tests.support.refusing import STATES, RefusingServer


async def test_a_server_that_refuses_writes_leads_to_no_false_report_of_a_loss() -> None:
    report = await refusals.run(seed=new_seed(), calls=400, rollbacks=len(STATES))
    assert report.broken == []
    assert all(report.figures[f"calls while {state}"] >= 100 for state in STATES)
    assert report.figures["false reports of a loss"] == 0
    assert report.figures["losses"] == len(STATES)
    assert report.figures["refused"]


async def test_receipts_that_vanish_are_found_out() -> None:
    async def forget_receipts(server: RefusingServer) -> None:
        while True:
            for session in server.admin.keys("*:session:*"):
                server.admin.delete(session)
            await asyncio.sleep(0.01)

    report = await refusals.run(seed=new_seed(), calls=100, rollbacks=0, saboteur=forget_receipts)
    assert any("of a loss that did not happen" in text for text in report.broken)
