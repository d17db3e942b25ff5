"""The profile `demo` of docker-compose.yml names commands, options, files and ports that there are."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import typer
import yaml

from examples.demo_fleet.together import NAMESPACE
from redis_mob.cli.app import whole_app
from tests.project.checkout import ROOT, text_of

SERVICES: dict[str, dict[str, Any]] = {
    name: service
    for name, service in yaml.safe_load(text_of("docker-compose.yml"))["services"].items()
    if "demo" in service["profiles"]
}


def test_it_is_a_server_two_workers_a_fleet_and_a_page() -> None:
    assert set(SERVICES) == {"demo-server", "demo-worker-1", "demo-worker-2", "demo-fleet", "demo-page"}


def options_of(command: str) -> set[str]:
    group: Any = typer.main.get_command(whole_app())
    return {option for parameter in group.commands[command].params for option in parameter.opts}


def test_commands_have_the_options_that_they_are_given() -> None:
    page = text_of("docker/demo_page.sh").partition("exec ")[2].replace("\\\n", " ").split()
    for words in (SERVICES["demo-worker-1"]["command"], SERVICES["demo-worker-2"]["command"], page):
        assert words[0] == "redis-mob"
        assert {word for word in words if word.startswith("--")} <= options_of(words[1])
        assert words[words.index("--namespace") + 1] == NAMESPACE
        assert words[words.index("--url") + 1] == "redis://demo-server:6379"


def test_the_page_is_reached_from_this_machine_alone_and_wants_a_token() -> None:
    assert SERVICES["demo-page"]["ports"] == ["127.0.0.1:8790:8790"]
    assert not [name for name, service in SERVICES.items() if "ports" in service and name != "demo-page"]
    assert "REDIS_MOB_UI_OPERATE_TOKEN" in SERVICES["demo-page"]["environment"]


def test_the_image_is_made_of_what_is_there() -> None:
    steps = text_of("docker/demo.Dockerfile")
    kept = re.findall(r"^!(.+)$", text_of(".dockerignore"), re.MULTILINE)
    for name in (*kept, *re.findall(r"^COPY (?!\.|--)(\S+)", steps, re.MULTILINE)):
        assert (ROOT / name).exists(), name
    [extras] = re.findall(r"\[([a-z,]+)\]\"", steps)
    assert set(extras.split(",")) <= set(tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"])
