"""The supervisor's authority, and how a rotation reported by one process changes the durable record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob.models import SupervisorAuthorityRecord, SupervisorPendingRotationRecord
from redis_mob.models.problems import problems
from tests.support.exact import exact, exact_text
from tests.support.golden import named, read_jsonl

LINES = read_jsonl("wire/supervisor.jsonl")


def authority(value: object) -> SupervisorAuthorityRecord:
    return SupervisorAuthorityRecord.model_validate_json(json.dumps(value))


def rotation(value: object) -> SupervisorPendingRotationRecord:
    return SupervisorPendingRotationRecord.model_validate_json(json.dumps(value))


def line(name: str) -> dict[str, Any]:
    return next(line for line in LINES if line["name"] == name)


def starting(prefix: str, field: str) -> list[Any]:
    return [
        line
        for line in named("wire/supervisor.jsonl")
        if line.id.startswith(prefix) and field in line.values[0] and line.id not in READ_HERE
    ]


READ_HERE = {"read.protocol_3"}
"""Records that meerkat 0.6 refuses, and later releases write."""


@pytest.mark.parametrize("line", [one for one in starting("", "record") if "input" not in one.values[0]])
def test_records_roundtrip(line: dict[str, Any]) -> None:
    assert exact_text(authority(line["record"]).model_dump_json()) == exact(line["record"])


@pytest.mark.parametrize("line", starting("read.", "record"))
def test_records_are_read_as_the_crate_reads_them(line: dict[str, Any]) -> None:
    assert exact_text(authority(line["input"]).model_dump_json()) == exact(line["record"])


REFUSED = {
    "read.protocol_1": "protocol_version: bridge protocol version 1 is not supported; those from 2 to 7 are",
    "read.protocol_text": "protocol_version",
    "read.protocol_float": "protocol_version",
    "read.protocol_missing": "protocol_version",
    "read.secret_short": "secret_key: a key has 32 bytes, not 33",
    "read.secret_256": "secret_key: a key is bytes, or a list of 32 integers from 0 to 255",
    "read.epoch_negative": "epoch",
    "read.epoch_too_big": "epoch",
}
"""What our error names, for each record that the crate refuses."""


@pytest.mark.parametrize("line", starting("read.", "error"))
def test_broken_records_are_refused_by_field(line: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        authority(line["input"])
    assert problems(refused.value).startswith(REFUSED[line["name"]])


def test_case_121_protocol_versions_2_to_7() -> None:
    record = line("plain")["record"]
    for version in range(2, 8):
        assert authority({**record, "protocol_version": version}).protocol_version == version
    for version in (1, 8):
        with pytest.raises(ValidationError, match="those from 2 to 7 are"):
            authority({**record, "protocol_version": version})


def test_a_rotation_of_a_later_release_comes_back() -> None:
    record = json.loads(json.dumps(line("pending_accepted")["record"]))
    for targets in ({}, {"p": {"name": "n", "peer_id": "p", "address": "inproc://n", "pubkey": [0] * 32}}):
        record["pending_rotation"] |= {"operation_id": "rotation-1", "member_targets": targets, "protocol_version": 7}
        assert exact_text(authority(record).model_dump_json()) == exact(record)


@pytest.mark.parametrize("value", ["text", [1] * 31, [True] * 32, [1.0] * 32, None, {"a": 1}], ids=str)
def test_a_key_is_32_integers(value: object) -> None:
    with pytest.raises(ValidationError, match="a key"):
        authority({**line("plain")["record"], "secret_key": value})


def test_all_lines_are_covered() -> None:
    covered = {"plain", "epoch_max", "epoch_above_2_53", "without_pending", "from_pending", "pending_record"}
    prefixes = ("pending_", "read.", "peer_id.", "same_attempted_authority.", "remove_accepted_peer_ids")
    assert [
        line["name"] for line in LINES if line["name"] not in covered and not line["name"].startswith(prefixes)
    ] == []


def test_a_pending_rotation_comes_and_goes() -> None:
    pending = authority(line("pending_accepted")["record"])
    assert pending.pending_rotation is not None
    assert exact_text(pending.without_pending_rotation().model_dump_json()) == exact(line("without_pending")["record"])
    made = pending.pending_rotation.authority_record()
    assert exact_text(made.model_dump_json()) == exact(line("from_pending")["record"])


def test_a_rotation_is_made_from_the_authority_it_leads_to() -> None:
    pending = line("pending_record")["pending"]
    made = SupervisorPendingRotationRecord.from_authority(authority(line("from_pending")["record"]), ["a", "b", "a"])
    assert exact_text(made.model_dump_json()) == exact(pending)
    assert made == rotation(pending)


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=f"case_116-{line['name']}") for line in read_jsonl("wire/rotation.jsonl")]
)
def test_rotation_table(line: dict[str, Any]) -> None:
    durable, pending = authority(line["self"]), rotation(line["pending"])
    after, welcome = durable.apply_process_local_pending_rotation(pending)
    assert welcome is line["returned"]
    assert exact_text(after.model_dump_json()) == exact(line["after"])
    assert exact_text(durable.model_dump_json()) == exact(line["self"])


def test_case_117_rotation_replaces_accepted() -> None:
    record = authority(line("pending_accepted")["record"])
    assert record.pending_rotation is not None
    pending = record.pending_rotation.model_copy(update={"accepted_peer_ids": ("y",)})
    after, welcome = record.apply_process_local_pending_rotation(pending)
    assert welcome
    assert after.pending_rotation is not None
    assert after.pending_rotation.accepted_peer_ids == ("y",)


@pytest.mark.parametrize("line", starting("same_attempted_authority.", "returned"))
def test_case_118_same_attempt_ignores_accepted(line: dict[str, Any]) -> None:
    assert rotation(line["a"]).same_attempted_authority(rotation(line["b"])) is line["returned"]


@pytest.mark.parametrize("line", starting("remove_accepted_peer_ids", "ids"))
def test_case_119_remove_accepted_duplicates(line: dict[str, Any]) -> None:
    after, removed = rotation(line["pending"]).remove_accepted_peer_ids(line["ids"])
    assert removed is line["returned"]
    assert exact_text(after.model_dump_json()) == exact(line["after"])
    assert after.remove_accepted_peer_ids(line["ids"]) == (after, False)
