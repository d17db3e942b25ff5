"""Secrets and tokens that commands read from files, or from standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from redis_mob.cli.secret_files import secret_in
from redis_mob.errors import ValidationError
from redis_mob.security.bearer_tokens import checked_token
from redis_mob.ui.access.tokens import tokens_in

TOKEN = "0123456789abcdef"  # noqa: S105


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("from_standard_input", [False, True])
def test_a_file_may_begin_with_a_byte_order_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, from_standard_input: bool
) -> None:
    for content, expected in ((f"{TOKEN}\r\n", TOKEN), (f"read anna {TOKEN}\r\n", f"read anna {TOKEN}")):
        (file := tmp_path / "token").write_bytes((mark + content).encode())
        monkeypatch.setattr(sys, "stdin", io.StringIO(mark + content))
        assert secret_in("-" if from_standard_input else str(file)) == expected
    assert checked_token(TOKEN, "it") == TOKEN
    [known] = tokens_in(expected, "it")
    assert known.user.name == "anna"


def test_a_file_that_is_no_text_is_refused_without_its_content(tmp_path: Path) -> None:
    (file := tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match=r"--secret-file .*: it is no text"):
        secret_in(str(file))
