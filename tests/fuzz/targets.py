"""All targets by name."""

from __future__ import annotations

from tests.fuzz.definitions import definitions, schemas
from tests.fuzz.replies import replies, wire
from tests.fuzz.running import Target
from tests.fuzz.stored import scripts, stored

TARGETS: dict[str, Target] = {
    "definitions": definitions,
    "replies": replies,
    "schemas": schemas,
    "scripts": scripts,
    "stored": stored,
    "wire": wire,
}
