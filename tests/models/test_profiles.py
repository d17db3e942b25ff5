"""Profiles, their bindings, and stored realm profiles (contract: definition-8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from redis_mob.models.base import json_equal
from redis_mob.models.profile import Profile, ProfileBinding, RealmProfileRef, StoredRealmProfile
from tests.support.golden import named, read_jsonl
from tests.support.kept import kept

BINDING: TypeAdapter[ProfileBinding] = TypeAdapter(ProfileBinding)
LINES = read_jsonl("wire/profiles.jsonl")


def test_there_is_golden_data() -> None:
    assert len(LINES) == 20
    assert len(read_jsonl("wire/realm_profiles.jsonl")) == 7


@pytest.mark.parametrize("line", [pytest.param(line, id=line["name"]) for line in LINES if "input" in line])
def test_profile(line: dict[str, Any]) -> None:
    text = json.dumps(line["input"])
    if "error" in line:
        with pytest.raises(ValidationError):
            Profile.model_validate_json(text)
    else:
        written = Profile.model_validate_json(text).model_dump_json()
        expected = kept(line["profile"], line["input"])
        assert json_equal(json.loads(written), expected)
        assert list(json.loads(written)) == list(expected)


@pytest.mark.parametrize("line", [pytest.param(line, id=line["name"]) for line in LINES if "binding_input" in line])
def test_binding(line: dict[str, Any]) -> None:
    text = json.dumps(line["binding_input"])
    if "error" in line:
        with pytest.raises(ValidationError):
            BINDING.validate_json(text)
    else:
        written = BINDING.dump_json(BINDING.validate_json(text))
        assert json_equal(json.loads(written), kept(line["binding"], line["binding_input"]))


@pytest.mark.parametrize("line", named("wire/realm_profiles.jsonl"))
def test_stored_profile(line: dict[str, Any]) -> None:
    stored = StoredRealmProfile.model_validate_json(json.dumps(line["stored"]))
    written = json.loads(stored.model_dump_json())
    times = ("created_at", "updated_at")
    assert list(written) == list(line["stored"])
    assert json_equal(
        {key: value for key, value in written.items() if key not in times},
        {key: value for key, value in line["stored"].items() if key not in times},
    )
    for time in times:
        assert line["stored"][time].startswith(written[time].removesuffix("Z"))


def test_a_binding_made_in_python_is_kept() -> None:
    inline, reference = Profile(model="m"), RealmProfileRef(realm_profile="r")
    assert BINDING.validate_python(inline) is inline
    assert BINDING.validate_python(reference) is reference


def test_a_realm_reference_is_not_an_empty_text_by_accident() -> None:
    assert BINDING.validate_json('{"realm_profile":""}') == RealmProfileRef(realm_profile="")
