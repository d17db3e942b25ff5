"""How much memory of the server a run takes, beside the length of its compact JSON."""

from __future__ import annotations

import pytest

from redis_mob.bench import chosen, measure, suite


@pytest.mark.parametrize("kind", ["new", "finished", "texts"])
async def test_a_run_of_fifty_steps_takes_at_most_four_tenths_of_its_json(server_url: str, kind: str) -> None:
    report = await measure(server_url, chosen(suite(), [f"memory-{kind}"]), seconds=0.001, rounds=1, awake=False)
    [group] = report.groups
    [ours], [theirs] = group.scenarios, group.baselines
    ratio = group.ratio(ours, theirs)
    assert theirs.of("kept") > 20_000
    assert ratio is not None
    assert ratio.middle <= 0.4
