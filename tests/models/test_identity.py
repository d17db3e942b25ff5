"""Keys, peer ids and key texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob.errors import InternalError, ValidationError
from redis_mob.models import SupervisorAuthorityRecord, SupervisorPendingRotationRecord
from redis_mob.security.identity import (
    check_peer_ids,
    generate_authority,
    key_text,
    parse_key_text,
    peer_id,
    public_key,
)
from tests.support.golden import named, read_jsonl

VECTORS = [line for line in named("wire/supervisor.jsonl") if line.id.startswith("peer_id.")]


@pytest.mark.parametrize("line", VECTORS)
def test_case_120_peer_id_vector(line: dict[str, Any]) -> None:
    public = public_key(bytes(line["secret_key"]))
    assert list(public) == line["public_key"]
    assert peer_id(public) == line["peer_id"]
    assert key_text(public) == line["pubkey_text"]
    assert parse_key_text(line["pubkey_text"]) == public


def test_case_120_peer_id_of_a_bare_public_key() -> None:
    assert peer_id(bytes([1]) * 32) == "c2a81ee0-aba0-5e8e-a408-d61864a82361"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:",
        "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "ed25519:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
        "ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "ed25519:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbh=",
        "ed25519:AAAA",
        "ed25519:é",
    ],
)
def test_other_texts_are_no_keys(text: str) -> None:
    with pytest.raises(ValidationError, match="is no key text"):
        parse_key_text(text)


def test_a_generated_authority_is_fresh_and_consistent() -> None:
    one, two = generate_authority(), generate_authority()
    assert one.secret_key != two.secret_key
    assert (one.epoch, one.protocol_version, one.pending_rotation) == (0, 2, None)
    check_peer_ids(one)


def golden(name: str, field: str) -> SupervisorAuthorityRecord:
    line = next(line for line in read_jsonl("wire/supervisor.jsonl") if line["name"] == name)
    return SupervisorAuthorityRecord.model_validate_json(json.dumps(line[field]))


def test_golden_records_are_consistent() -> None:
    for line in read_jsonl("wire/rotation.jsonl"):
        check_peer_ids(SupervisorAuthorityRecord.model_validate_json(json.dumps(line["self"])))


def test_a_foreign_peer_id_is_refused() -> None:
    record = golden("read.mismatched_peer_id_accepted_by_crate", "input")
    with pytest.raises(InternalError, match="public_peer_id '4debd554-5da9-5e42-8b0a-22e5682af50e' does not belong"):
        check_peer_ids(record)


def test_a_foreign_peer_id_is_refused_in_a_rotation_too() -> None:
    one, two = generate_authority(), generate_authority()
    swapped = SupervisorPendingRotationRecord.from_authority(
        one.model_copy(update={"public_peer_id": two.public_peer_id}), ["p"]
    )
    check_peer_ids(one.model_copy(update={"pending_rotation": SupervisorPendingRotationRecord.from_authority(two, [])}))
    with pytest.raises(InternalError, match=r"pending_rotation\.public_peer_id") as refused:
        check_peer_ids(one.model_copy(update={"pending_rotation": swapped}))
    assert repr(one.secret_key) not in str(refused.value)
