"""Config documents: the revision that one carries, and the JSON of a change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob.models.config import ConfigChangeEvent, ConfigChangeKind
from redis_mob.models.revision import extract_meta_revision
from redis_mob.testing.conformance.config_revisions import UNREADABLE
from redis_mob.testing.samples.config_documents import U64_MAX, at


@pytest.mark.parametrize(
    ("value", "revision"),
    [
        (at(7), 7),
        (at(0), 0),
        (at(U64_MAX), U64_MAX),
        ({"meta": {"revision": 5}}, 5),
        *[(at(unreadable), None) for unreadable in UNREADABLE],
        ({"spec": {}, "meta": {}}, None),
        ({"spec": {}}, None),
        ({"meta": [5], "revision": 5}, None),
        ([{"revision": 5}], None),
        (None, None),
        (5, None),
    ],
)
def test_the_revision_of_a_document(value: Any, revision: int | None) -> None:
    found = extract_meta_revision(value)
    assert found == revision
    assert type(found) is type(revision)


@pytest.mark.parametrize("kind", ["put", "delete"])
def test_config_case_37_the_json_of_a_change(kind: str) -> None:
    text = f'{{"namespace":"n","id":"a","kind":"{kind}"}}'
    event = ConfigChangeEvent.model_validate_json(text)
    assert event == ConfigChangeEvent(namespace="n", id="a", kind=ConfigChangeKind(kind))
    assert event.model_dump_json() == text
    later = json.dumps({**json.loads(text), "sequence": 7})
    assert json.loads(ConfigChangeEvent.model_validate_json(later).model_dump_json()) == json.loads(later)
