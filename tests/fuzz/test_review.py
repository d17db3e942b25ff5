"""Attacks of docs/security.md that no other suite tries."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from redis_mob.errors import CasConflictError
from redis_mob.fleet.definition_file import load_definition
from redis_mob.new_file import publish, require_new
from redis_mob.storage import MobStorage
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings
from tests.fuzz.requests import answer_of, scope_of
from tests.ui.conftest import storage as storage


def test_a_key_of_a_definition_makes_no_line_of_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mob.toml"
    path.write_text('[mob]\nid = "m"\n"\\u001b[31mevil\\nWARNING all is well" = 1\n')
    with caplog.at_level(logging.WARNING):
        load_definition(path)
    [told] = caplog.messages
    assert told.isprintable(), told
    assert "evil" in told


PATHS = (
    "/../app.py",
    "/page/../app.py",
    "/%2e%2e/app.py",
    "//etc/passwd",
    "/./../../etc/passwd",
    "/app.js/../../app.py",
)


@pytest.mark.parametrize("path", [*PATHS, "/..\\app.py", "/app.py", "/page_files.py", "/\0", "/lib"])
async def test_no_path_leads_out_of_the_files_of_the_page(path: str, storage: MobStorage) -> None:
    app = ui_app(storage, UiSettings())
    answer = await answer_of(app, scope_of("GET", path, b"", [(b"host", b"127.0.0.1")], "127.0.0.1"), b"")
    await app.state.hub.aclose()
    assert answer["status"] == 404


def test_no_file_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    secret, link, made = tmp_path / "secret", tmp_path / "backup", tmp_path / ".backup.part"
    secret.write_bytes(b"secret")
    made.write_bytes(b"new")
    for target in (secret, tmp_path / "nowhere"):
        link.symlink_to(target)
        with pytest.raises(CasConflictError):
            require_new(link)
        with pytest.raises((CasConflictError, FileExistsError)):
            publish(made, link)
        link.unlink()
    assert secret.read_bytes() == b"secret"
    assert not (tmp_path / "nowhere").exists()
