"""`redis-mob acl`: a line that makes a user who can run flows."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from redis_mob.admin.acl import PASSWORD_PLACE, rights_in
from redis_mob.connection.calls.durability import Durability
from tests.cli.command import redis_mob
from tests.support.servers import server
from tests.support.users import PASSWORD, admin_of, url_of_user

RUN = ("run", "flows.toml", "--flow", "one", "--handler", "handlers:answer")


@pytest.mark.parametrize("password", [f">{PASSWORD}", f"#{sha256(PASSWORD.encode()).hexdigest()}"], ids=[">", "#"])
def test_a_user_made_by_the_line_runs_flows_in_the_namespace_alone(project: Path, password: str) -> None:
    ended = redis_mob(project, "acl", "--namespace", "office")
    assert ended.status == 0, ended.err
    assert PASSWORD_PLACE in ended.err
    with server() as url, admin_of(url) as admin:
        admin.execute_command(*ended.out.rstrip("\n").replace(PASSWORD_PLACE, password).split(" "))
        place = ("--url", url_of_user(url, "redis_mob"), "--namespace")
        assert redis_mob(project, *RUN, *place, "office").status == 0
        refused = redis_mob(project, *RUN, *place, "elsewhere")
    assert refused.status == 3
    assert PASSWORD not in refused.err


def test_its_parts_are_one_json_object(tmp_path: Path) -> None:
    ended = redis_mob(tmp_path, "acl", "--json", "--url", "redis://clerk:hush@host/3", "--durability", "replicas:2")
    assert (ended.status, ended.err) == (0, "")
    rights = rights_in("default", Durability(replicas=2), database=3)
    assert json.loads(ended.out) == {
        "user": "clerk",
        "keys": ["{rm:default}:*"],
        "channels": ["{rm:default}:*"],
        "commands": list(rights.commands),
        "rule": str(rights),
    }


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        pytest.param(("--user", "a b"), 2, "'a b' is no name for a user", id="user"),
        pytest.param(("--namespace", "a*"), 2, "'a*' is no name for a namespace", id="namespace"),
        pytest.param(("--durability", "replicas:0"), 2, "durability 'replicas:0'", id="durability"),
        pytest.param(("--url", "memory:"), 3, "it has no users", id="memory"),
    ],
)
def test_bad_options(tmp_path: Path, options: tuple[str, ...], status: int, told: str) -> None:
    ended = redis_mob(tmp_path, "acl", *options)
    assert (ended.status, ended.out) == (status, "")
    assert told in ended.err
