"""All targets by name."""

from __future__ import annotations

from tests.fuzz.definitions import definitions, schemas
from tests.fuzz.running import Target

TARGETS: dict[str, Target] = {"definitions": definitions, "schemas": schemas}
