"""Small scripts for tests that do not care what a script does."""

from __future__ import annotations

from redis_mob.connection.calls.scripts import Script, library


def adhoc(text: str) -> Script:
    """A script of its own, which has one key."""
    return library().compiled("test/adhoc", f"--- @keys key\n{text}")


INCREASE = adhoc("return redis.call('INCR', key)")
