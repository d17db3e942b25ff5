"""The programs of the docs do what the docs say, and a strict type checker finds nothing in them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from redis_mob import MobDefinition
from redis_mob.kernel.validation import validate
from tests.docs.pages import PAGES, ROOT, Block, as_shown, blocks, page_id, write_files
from tests.handlers.fake_model import model, said

BLOCKS = [block for page in PAGES for block in blocks(page)]
RUNS = [block for block in BLOCKS if block.is_run]
DEFINITIONS = [block for block in BLOCKS if block.language == "toml"]


def where(block: Block) -> str:
    return block.where


@pytest.mark.parametrize("block", RUNS, ids=where)
async def test_a_program_of_the_docs_prints_what_its_page_shows(block: Block, tmp_path: Path, server_url: str) -> None:
    write_files(block.page, tmp_path)
    async with model(said('{"kind": "bug", ', '"title": "Export fails"}')) as running:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "REDIS_MOB_URL": server_url,  # shared, since each server takes a while to start
            "OPENAI_BASE_URL": running.url,
            "OPENAI_API_KEY": "none",
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly -p no:xdist",
        }
        await asyncio.to_thread(check, block, tmp_path, environment)


def check(block: Block, folder: Path, environment: Mapping[str, str]) -> None:
    if block.language == "console":
        for command, shown in block.commands():
            ended = run(command, folder, environment)
            assert as_shown(ended.stdout, shown), ended.stdout
        return
    ended = run([sys.executable, block.name], folder, environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "" or block.use == "run logged", ended.stderr
    assert block.output is None or as_shown(ended.stdout, block.output), ended.stdout


def run(command: str | list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program; in a shell, as on a terminal, both of its outputs are one."""
    in_a_shell = isinstance(command, str)
    return subprocess.run(
        command,
        shell=in_a_shell,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if in_a_shell else subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("block", DEFINITIONS, ids=where)
def test_a_definition_of_the_docs_is_valid(block: Block) -> None:
    assert validate(MobDefinition.from_toml(block.text, strict=True)) == ()


def test_a_strict_type_checker_finds_nothing_in_them(tmp_path: Path) -> None:
    environments: list[dict[str, str]] = []
    for page in PAGES:
        if any(block.language == "python" for block in blocks(page)):
            (folder := tmp_path / page_id(page)).mkdir()
            write_files(page, folder)
            environments.append({"root": folder.name})
    config = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(ROOT)],
        "executionEnvironments": environments,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("3 passed in 0.21s\n", "3 passed in ...\n", True),
        ("one\ntwo\nthree\n", "one\n...\nthree\n", True),
        ("3 failed\n", "3 passed in ...\n", False),
        ("one\ntwo\n", "one\n", False),
    ],
)
def test_dots_in_an_output_stand_for_any_text(printed: str, shown: str, same: bool) -> None:
    assert as_shown(printed, shown) is same
