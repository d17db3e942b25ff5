"""External bindings and the references in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob.models import BackendPeerMemberRef, ExternalBindingOverlayRecord, MemberRef, SessionMemberRef
from redis_mob.models.member_ref import MEMBER_REF
from redis_mob.models.problems import problems
from tests.support.exact import exact, exact_text
from tests.support.golden import named, read_jsonl
from tests.support.kept import kept

SESSION = "0190a5c4-1111-7222-8333-444455556666"
OTHER = "0190a5c4-aaaa-7222-8333-444455556666"

TRUNCATED = {"updated_nanos": "2026-03-01T12:00:00Z"}
"""Times with nine digits are read with six (contract: store-7)."""

REFUSED = {
    "ref_session_neither": "session_id",
    "ref_no_kind": "kind",
    "ref_unknown_kind": "kind must be one of 'session', 'backend_peer'",
    "ref_session_not_uuid": "normalized_member_ref.session: a UUID is needed",
    "ref_peer_no_address": "address",
    "ref_peer_pubkey_short": "pubkey",
    "ref_text": "normalized_member_ref",
    "token_number": "bootstrap_token",
    "status_failed_no_reason": "status.OverlayFailed.Failed.reason",
    "status_snake": "status",
    "status_failed_text": "status",
}
"""What our error names, for each overlay that the crate refuses."""


@pytest.mark.parametrize("line", named("wire/overlays.jsonl"))
def test_overlays_are_read_as_the_crate_reads_them(line: dict[str, Any]) -> None:
    text = json.dumps(line["input"])
    if "error" in line:
        with pytest.raises(ValidationError) as refused:
            ExternalBindingOverlayRecord.model_validate_json(text)
        assert REFUSED[line["name"]] in problems(refused.value)
        return
    expected = kept(line["overlay"], line["input"]) if line["name"] == "ref_peer_extra" else line["overlay"]
    expected["updated_at"] = TRUNCATED.get(line["name"], expected["updated_at"])
    record = ExternalBindingOverlayRecord.model_validate_json(text)
    assert exact_text(record.model_dump_json()) == exact(expected)
    assert ExternalBindingOverlayRecord.model_validate_json(record.model_dump_json()).model_dump_json() == (
        record.model_dump_json()
    )


def test_a_failed_status_holds_nothing_else() -> None:
    overlay = next(line["input"] for line in read_jsonl("wire/overlays.jsonl") if line["name"] == "status_failed")
    both = {**overlay, "status": {**overlay["status"], "Normalized": None}}
    with pytest.raises(ValidationError, match="status"):
        ExternalBindingOverlayRecord.model_validate_json(json.dumps(both))


def test_every_refusal_is_in_the_golden_data() -> None:
    assert {line["name"] for line in read_jsonl("wire/overlays.jsonl") if "error" in line} == REFUSED.keys()


@pytest.mark.parametrize("text", ['{"session_id":"x"}', '{"kind":null,"session_id":"x"}', "null", '"x"', "[]"])
def test_case_124_member_ref_without_kind_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MEMBER_REF.validate_json(text)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"bridge_session_id": OTHER}, OTHER),
        ({"session_id": SESSION}, SESSION),
        ({"session_id": SESSION, "bridge_session_id": OTHER}, OTHER),
        ({"session_id": SESSION.upper(), "bridge_session_id": None}, SESSION),
    ],
    ids=["bridge_alone", "session_alone", "bridge_wins", "null_bridge"],
)
def test_case_124_member_ref_session_ids(given: dict[str, Any], kept: str) -> None:
    session = MEMBER_REF.validate_json(json.dumps({"kind": "session", **given}))
    peer = MEMBER_REF.validate_json(json.dumps({"kind": "backend_peer", "peer_id": "p", "address": "a", **given}))
    for made in (session, peer):
        assert (made.session_id, made.bridge_session_id) == (kept, kept)
        assert list(json.loads(made.model_dump_json()))[-2:] == ["session_id", "bridge_session_id"]


def test_a_broken_session_id_is_refused_beside_a_good_one() -> None:
    for given in ({"session_id": "x", "bridge_session_id": SESSION}, {"session_id": SESSION, "bridge_session_id": "x"}):
        with pytest.raises(ValidationError, match="a UUID is needed"):
            MEMBER_REF.validate_python({"kind": "session", **given})


def test_case_124_member_ref_token_is_never_written() -> None:
    peer = MEMBER_REF.validate_json('{"kind":"backend_peer","peer_id":"p","address":"a","bootstrap_token":"tok"}')
    assert isinstance(peer, BackendPeerMemberRef)
    assert peer.bootstrap_token == "tok"  # noqa: S105
    assert peer.model_dump_json() == '{"kind":"backend_peer","peer_id":"p","address":"a"}'


@pytest.mark.parametrize(
    "made",
    [SessionMemberRef(session_id=SESSION), BackendPeerMemberRef(peer_id="p", address="a", session_id=SESSION)],
    ids=lambda made: made.kind,
)
def test_references_built_in_python_know_both_names(made: MemberRef) -> None:
    assert made.bridge_session_id == SESSION
    assert MEMBER_REF.validate_json(made.model_dump_json()) == made
