"""Watchers get what the contract promises, and each validator finds the fault of one line that breaks its guarantee."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.notifications.subscription import Subscription
from redis_mob.stores.events import RedisEventStore
from tests.robustness import watching
from tests.robustness.planted import plant
from tests.robustness.seeds import new_seed

SMALL: dict[str, Any] = {"calls": 160, "watchers": 3}


async def test_every_guarantee_of_a_watch_holds_while_connections_are_cut() -> None:
    report = await watching.run(seed=new_seed(), **SMALL)
    assert report.broken == []
    assert report.figures["connections of watchers"] > 6
    assert all(report.figures["notes of watchers"][kind] for kind in ("Opened", "Delivered", "Gone", "Bookmark"))


FAULTS: dict[str, tuple[type, str, str, str]] = {
    "ordered": (
        Subscription,
        "_look",
        "self._unread.extend(page)",
        "self._unread.extend(reversed(page))",
    ),
    "unique": (
        Subscription,
        "_look",
        "page = [entry for entry in page if entry[0] > self._after]",
        "page = [entry for entry in page if entry[0] >= self._after]",
    ),
    "reliable": (Subscription, "_skip_to", "raise self._lost(after, cursor)", "return"),
    "atomic": (
        RedisEventStore,
        "_append_batch",
        'return await self._client.call("events/append_batch", log_keys(self._keys), {"new_events": encoded})',
        "return [(await self._append_batch([one]))[0] for one in encoded] if encoded[1:] else "
        'await self._client.call("events/append_batch", log_keys(self._keys), {"new_events": encoded})',
    ),
    "resumable": (RedisEventStore, "subscribe", "cursor_argument(after)", "cursor_argument(after + 1)"),
    "bookmarkable": (Subscription, "cursor", "return self._after", "return self._after + len(self._unread)"),
}
"""Of each guarantee the code that is at fault, and in it what is replaced by what."""


@pytest.mark.parametrize("guarantee", FAULTS)
async def test_a_fault_of_one_line_is_found_by_the_validator_of_its_guarantee(
    guarantee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, *FAULTS[guarantee])
    report = await watching.run(seed=new_seed(), **SMALL)
    assert [text for text in report.broken if text.startswith(f"{guarantee}: ")]
