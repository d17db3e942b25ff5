"""What the door to a namespace in memory says to things that only a server has."""

from __future__ import annotations

import pytest

from redis_mob.errors import ValidationError
from redis_mob.storage import MobStorage


async def test_no_write_in_memory_has_an_unknown_outcome() -> None:
    async with MobStorage.open("memory:") as storage:
        with pytest.raises(ValidationError, match="no token of a write in memory"):
            await storage.resolve(f"{'0' * 32}:0:1")
