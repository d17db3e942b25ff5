"""Seal keys for the command: a new one, a file of them, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.errors import ValidationError
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import authority
from tests.cli.command import redis_mob

OLD, NEW = SealKey.generate("old"), SealKey.generate("new")

RUN = ("run", "flows.toml", "--flow", "one", "--handler", "handlers:answer")


def test_a_new_key_is_a_line_for_the_file(project: Path) -> None:
    for arguments in ((), ("2026-11",)):
        ended = redis_mob(project, "seal-key", *arguments)
        assert ended.status == 0, ended.err
        assert SealKey.from_text(ended.out).id == (arguments[0] if arguments else SealKey.from_text(ended.out).id)
    refused = redis_mob(project, "seal-key", "a b")
    assert (refused.status, refused.out) == (2, "")
    assert "1 to 64 characters" in refused.err


async def test_a_sealed_namespace_is_run_with_its_keys(project: Path, server_url: str, namespace: str) -> None:
    """The workers get them too: without, none of them could open the storage."""
    async with MobStorage.open(server_url, namespace=namespace, seal_key=OLD) as storage:
        await storage.runtime_metadata.put_supervisor_authority("mob", authority())
    (project / "keys").write_text(f"# rotated yearly\n{NEW.to_text()}\n\n{OLD.to_text()}\n")
    place = ("--url", server_url, "--namespace", namespace)

    refused = redis_mob(project, *RUN, *place)
    assert (refused.status, refused.out) == (3, "")
    assert "need seal key 'old'" in refused.err

    ended = redis_mob(project, *RUN, *place, REDIS_MOB_SEAL_KEYS=str(project / "keys"))
    assert ended.status == 0, ended.err
    assert NEW.to_text() not in ended.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "there is no seal key; write one in each line", id="empty"),
        pytest.param("# nothing\n\n", "there is no seal key", id="comments_alone"),
        pytest.param(f"{OLD.to_text()}\nnew:c2VjcmV0\n", "line 2: the text of a seal key is", id="short"),
        pytest.param(f"{OLD.to_text()}\n{OLD.to_text()}\n", "do not all have different ids", id="twice"),
        pytest.param("\udcff", "it is no text", id="binary"),
    ],
)
def test_a_bad_file_is_named_and_not_shown(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValidationError, match=f"--seal-keys {file}: .*{told}") as refused:
        read_seal_keys(file)
    assert "c2VjcmV0" not in str(refused.value)
    assert OLD.to_text() not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"--seal-keys {tmp_path / 'keys'}: No such file"):
        read_seal_keys(tmp_path / "keys")
    assert read_seal_keys(None) is None


def test_a_ring_is_read_as_it_was_written() -> None:
    ring = SealKeyring(NEW, OLD)
    assert SealKeyring.from_text(ring.to_text()).ids == ring.ids
    assert SealKeyring.from_text(ring.to_text()).to_text() == f"{NEW.to_text()}\n{OLD.to_text()}\n"
