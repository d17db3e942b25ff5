"""Secret keys and bootstrap tokens are in the JSON, and nowhere else: no repr, no text, no error shows them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from redis_mob.codec.events import decode_stored_event
from redis_mob.errors import SerializationError
from redis_mob.models import (
    BackendPeerMemberRef,
    ExternalBindingOverlayRecord,
    MemberSpawned,
    MobEvent,
    NewMobEvent,
    OperatorActionRecorded,
    SupervisorAuthorityRecord,
)
from redis_mob.models.events import MOB_EVENT_KIND
from redis_mob.models.member_ref import MEMBER_REF
from redis_mob.models.problems import problems
from redis_mob.security.identity import generate_authority

TOKEN = "hush-hush"  # noqa: S105
KEY = [201, 17, *range(100, 130)]
TIME = "2026-03-01T12:00:00Z"
SHOWN = (TOKEN, "201, 17", "201,17", r"\xc9\x11", "100, 101")

PEER = {"kind": "backend_peer", "peer_id": "p", "address": "a", "bootstrap_token": TOKEN}
SPAWNED = {
    "type": "member_spawned",
    "agent_identity": "a",
    "generation": 0,
    "fence_token": 1,
    "agent_runtime_id": {"identity": "a", "generation": 0},
    "role": "w",
    "bridge_member_ref": PEER,
}
EVENT = {"cursor": 1, "timestamp": TIME, "mob_id": "m", "kind": SPAWNED}
PENDING = {"secret_key": KEY, "public_peer_id": "p", "epoch": 2, "protocol_version": 2, "accepted_peer_ids": ["q"]}
AUTHORITY = {"secret_key": KEY, "public_peer_id": "p", "epoch": 1, "protocol_version": 2, "pending_rotation": PENDING}
OVERLAY = {
    "agent_identity": "a",
    "generation": 1,
    "normalized_member_ref": PEER,
    "bootstrap_token": TOKEN,
    "status": "Normalized",
    "updated_at": TIME,
}


def is_quiet(text: str) -> bool:
    return not any(secret in text for secret in SHOWN)


@pytest.mark.parametrize(
    "made",
    [
        SupervisorAuthorityRecord.model_validate_json(json.dumps(AUTHORITY)),
        ExternalBindingOverlayRecord.model_validate_json(json.dumps(OVERLAY)),
        MobEvent.model_validate_json(json.dumps(EVENT)),
        BackendPeerMemberRef.model_validate(PEER),
        OperatorActionRecorded(tool_name="t", principal_token=TOKEN),
    ],
    ids=lambda made: type(made).__name__,
)
def test_no_repr_shows_a_secret(made: object) -> None:
    assert is_quiet(f"{made!r} {made}")


def test_the_json_holds_the_secrets() -> None:
    authority = SupervisorAuthorityRecord.model_validate_json(json.dumps(AUTHORITY))
    assert json.loads(authority.model_dump_json()) == AUTHORITY
    overlay = ExternalBindingOverlayRecord.model_validate_json(json.dumps(OVERLAY))
    assert json.loads(overlay.model_dump_json())["bootstrap_token"] == TOKEN


def broken_peer(**changes: Any) -> dict[str, Any]:
    return {**PEER, "bootstrap_token": [TOKEN], **changes}


BROKEN: dict[str, tuple[Any, Any]] = {
    "key_too_long": (SupervisorAuthorityRecord, {**AUTHORITY, "secret_key": [*KEY, 1]}),
    "key_out_of_range": (SupervisorAuthorityRecord, {**AUTHORITY, "secret_key": [*KEY[:-1], 256]}),
    "key_as_text": (SupervisorAuthorityRecord, {**AUTHORITY, "secret_key": TOKEN}),
    "nested_key": (SupervisorAuthorityRecord, {**AUTHORITY, "pending_rotation": {**PENDING, "secret_key": [*KEY, 1]}}),
    "field_beside_the_key": (SupervisorAuthorityRecord, {**AUTHORITY, "epoch": -1}),
    "field_missing": (SupervisorAuthorityRecord, {"secret_key": KEY}),
    "no_record": (SupervisorAuthorityRecord, KEY),
    "token": (ExternalBindingOverlayRecord, {**OVERLAY, "bootstrap_token": [TOKEN]}),
    "status": (ExternalBindingOverlayRecord, {**OVERLAY, "status": {"token": TOKEN}}),
    "token_in_overlay_ref": (ExternalBindingOverlayRecord, {**OVERLAY, "normalized_member_ref": broken_peer()}),
    "token_in_ref": (BackendPeerMemberRef, broken_peer()),
    "ref": (MEMBER_REF, broken_peer()),
    "ref_of_a_kind": (MEMBER_REF, broken_peer(kind=TOKEN)),
    "ref_of_a_kind_that_is_no_text": (MEMBER_REF, broken_peer(kind={TOKEN: 1})),
    "ref_of_a_session": (MEMBER_REF, {"kind": "session", "session_id": {TOKEN: 1}}),
    "ref_without_kind": (MEMBER_REF, broken_peer(kind=None)),
    "kind": (MOB_EVENT_KIND, {**SPAWNED, "bridge_member_ref": broken_peer()}),
    "spawned": (MemberSpawned, {**SPAWNED, "bridge_member_ref": broken_peer()}),
    "spawned_field_missing": (MemberSpawned, {"bridge_member_ref": PEER}),
    "new_event": (NewMobEvent, {"mob_id": "m", "kind": {**SPAWNED, "bridge_member_ref": broken_peer()}}),
    "event_of_a_kind": (MobEvent, {**EVENT, "kind": {"type": {TOKEN: 1}}}),
    "event": (MobEvent, {**EVENT, "kind": {**SPAWNED, "bridge_member_ref": broken_peer(kind="ghost")}}),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_no_error_shows_a_secret(case: tuple[Any, Any]) -> None:
    reader, value = case
    text = json.dumps(value)
    read_json = getattr(reader, "model_validate_json", None) or reader.validate_json
    read_python = getattr(reader, "model_validate", None) or reader.validate_python
    for read, given in ((read_json, text), (read_python, value), (read_json, text[:-2])):
        with pytest.raises(ValidationError) as refused:
            read(given)
        error = refused.value
        assert is_quiet(f"{error} {error!r} {problems(error)} {error.errors()} {error.json()} {error.args}")
        assert error.__cause__ is error.__context__ is None
        assert is_quiet(f"{pickle.loads(pickle.dumps(error)).errors()}")  # noqa: S301 - it is our own
    if isinstance(reader, type) and isinstance(value, dict):
        with pytest.raises(ValidationError) as refused:
            reader(**value)
        assert is_quiet(f"{refused.value.errors()}")


@pytest.mark.parametrize("reader", [SupervisorAuthorityRecord, ExternalBindingOverlayRecord])
def test_an_error_still_says_what_is_wrong_and_where(reader: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        reader.model_validate({})
    fields = [name for name, field in reader.model_fields.items() if field.is_required()]
    assert [(problem["type"], problem["loc"]) for problem in refused.value.errors()] == [
        ("missing", (name,)) for name in fields
    ]
    assert refused.value.title == reader.__name__


class OfAUser(BaseModel):
    """A model that knows nothing of secrets."""

    authority: SupervisorAuthorityRecord | None = None
    overlay: ExternalBindingOverlayRecord | None = None
    event: MobEvent | None = None
    new_event: NewMobEvent | None = None


BROKEN_FIELDS: dict[str, dict[str, Any]] = {
    "key": {"authority": {**AUTHORITY, "secret_key": TOKEN}},
    "nested key": {"authority": {**AUTHORITY, "pending_rotation": {**PENDING, "secret_key": TOKEN}}},
    "key alone": {"authority": {"secret_key": KEY}},
    "no authority": {"authority": TOKEN},
    "token": {"overlay": {**OVERLAY, "bootstrap_token": [TOKEN]}},
    "token in ref": {"overlay": {**OVERLAY, "normalized_member_ref": broken_peer()}},
    "token alone": {"overlay": {"bootstrap_token": TOKEN}},
    "event": {"event": {**EVENT, "kind": {**SPAWNED, "bridge_member_ref": broken_peer()}}},
    "new event": {"new_event": {"mob_id": "m", "kind": {"bridge_member_ref": PEER}}},
}


@pytest.mark.parametrize("given", BROKEN_FIELDS.values(), ids=BROKEN_FIELDS.keys())
def test_no_error_of_a_users_model_shows_what_is_in_a_secret_field(given: dict[str, Any]) -> None:
    for read in (lambda: OfAUser.model_validate(given), lambda: OfAUser(**given)):
        with pytest.raises(ValidationError) as refused:
            read()
        error = refused.value
        assert is_quiet(f"{error} {error!r} {error.errors()} {error.json()}")
        assert error.__cause__ is error.__context__ is None
        [*_, problem] = error.errors()
        assert problem["loc"][0] in given


def test_a_users_model_takes_secret_fields_from_json_and_from_python() -> None:
    given = {"authority": AUTHORITY, "overlay": OVERLAY, "event": EVENT}
    read = OfAUser.model_validate_json(json.dumps(given))
    assert read.authority == SupervisorAuthorityRecord.model_validate_json(json.dumps(AUTHORITY))
    assert OfAUser.model_validate(dict(read)) == read
    assert OfAUser.model_validate_json(read.model_dump_json()).authority == read.authority
    assert "secret_key" in str(OfAUser.model_json_schema())


FROZEN: list[tuple[Any, str, Any]] = [
    (SupervisorAuthorityRecord.model_validate_json(json.dumps(AUTHORITY)), "secret_key", bytes(KEY)),
    (SupervisorAuthorityRecord.model_validate_json(json.dumps(AUTHORITY)), "secrets_key", bytes(KEY)),
    (ExternalBindingOverlayRecord.model_validate_json(json.dumps(OVERLAY)), "bootstrap_token", TOKEN),
    (BackendPeerMemberRef.model_validate(PEER), "bootstrap_token", TOKEN),
    (OperatorActionRecorded(tool_name="t", principal_token=TOKEN), "principal_token", TOKEN),
    (MobEvent.model_validate_json(json.dumps(EVENT)), "kind", SPAWNED),
]


@pytest.mark.parametrize(("record", "field", "value"), FROZEN)
def test_setting_a_field_is_refused_without_the_value(record: Any, field: str, value: object) -> None:
    before = record.model_copy()
    for refuse in (lambda: setattr(record, field, value), lambda: delattr(record, field)):
        with pytest.raises(ValidationError, match="Instance is frozen") as refused:
            refuse()
        error = refused.value
        assert is_quiet(f"{error} {error!r} {error.errors()} {error.json()} {error.args}")
        assert error.__cause__ is error.__context__ is None
    assert record == before


def test_no_error_of_a_stored_event_shows_a_secret() -> None:
    broken = {**EVENT, "kind": {**SPAWNED, "bridge_member_ref": broken_peer()}}
    with pytest.raises(SerializationError) as refused:
        decode_stored_event(json.dumps({"schema_version": 6, "event": broken}))
    assert is_quiet(f"{refused.value!r} {refused.value.__cause__!r}")


def test_a_generated_key_is_not_shown() -> None:
    authority = generate_authority()
    assert repr(authority.secret_key) not in repr(authority)
    assert "secret_key" not in repr(authority)
