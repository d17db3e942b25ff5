"""What needs Go: left out where there is none, or where the module of Porcupine cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.robustness import porcupine

_go = porcupine.go_program()

collect_ignore_glob = [] if _go is not None and porcupine.has_modules(_go) else ["test_*.py"]


@pytest.fixture(scope="module")
def go_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built."""
    return porcupine.build(tmp_path_factory.mktemp("porcupine"))
