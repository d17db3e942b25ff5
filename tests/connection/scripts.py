"""Small scripts for tests that do not care what a script does."""

from __future__ import annotations

import hashlib

from redis_mob.connection.calls.scripts import Script


def adhoc(text: str) -> Script:
    """A script of its own."""
    return Script("test/adhoc", text, hashlib.sha1(text.encode()).hexdigest())  # noqa: S324


INCREASE = adhoc("return redis.call('INCR', KEYS[1])")
