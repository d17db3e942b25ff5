"""What holds for the conformance suite on each of our backends."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """A storage without a seal key warns of it, which is tested elsewhere."""
    item.add_marker(pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning"))
