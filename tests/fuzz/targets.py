"""All targets by name."""

from __future__ import annotations

from tests.fuzz.definitions import definitions, schemas
from tests.fuzz.files import files
from tests.fuzz.replies import replies, wire
from tests.fuzz.requests import requests
from tests.fuzz.running import Target
from tests.fuzz.stored import scripts, stored

TARGETS: dict[str, Target] = {
    "definitions": definitions,
    "files": files,
    "replies": replies,
    "requests": requests,
    "schemas": schemas,
    "scripts": scripts,
    "stored": stored,
    "wire": wire,
}
