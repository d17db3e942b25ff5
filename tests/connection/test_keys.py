from __future__ import annotations

from typing import Any

import pytest

from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.run_keys import RunKeys
from redis_mob.errors import ValidationError

RUN = "67e55044-10b1-426f-9247-bb680e5fe0c8"


@pytest.mark.parametrize("namespace", ["a", "default", "Code.Review_1:team/eu-1", "x" * 128])
def test_every_key_and_channel_carries_the_hash_tag_of_the_namespace(namespace: str) -> None:
    keys = Keys(namespace)
    names = [value for name, value in vars(keys).items() if isinstance(value, str) and name != "namespace"]
    adapters = keys.langgraph, keys.pydantic_ai
    names += [getattr(one, name) for one in adapters for name in type(one).__slots__ if not name.startswith("_")]
    names += [*keys.langgraph.thread("digest"), *keys.pydantic_ai.run("digest")]
    names += [keys.conversation("digest"), keys.conversation_items("digest")]
    run = keys.run(RUN)
    members = [getattr(run, name) for name in dir(RunKeys) if not name.startswith("_") and name != "run_id"]
    names += [member for member in members if isinstance(member, str)]
    assert len(names) == len(set(names)) > 20
    for name in names:
        assert name.startswith(f"{{rm:{namespace}}}:")


@pytest.mark.parametrize("namespace", ["", "x" * 129, "a b", "a{b", "a}b", "ä", "a\n", "a*", None, 7, b"a"])
def test_other_names_of_namespaces_are_refused(namespace: Any) -> None:
    with pytest.raises(ValidationError, match="A-Z a-z 0-9"):
        Keys(namespace)


def test_a_run_has_the_same_keys_in_every_spelling_of_its_id() -> None:
    keys = Keys("n")
    assert keys.run(RUN.upper()).run == keys.run(f"{{{RUN}}}").run == f"{{rm:n}}:run:{RUN}"
    assert keys.run(RUN).frames == f"{{rm:n}}:run:{RUN}:frames"


def test_text_of_a_user_never_becomes_part_of_a_key() -> None:
    with pytest.raises(ValidationError, match="not-a-uuid"):
        Keys("n").run("not-a-uuid")
