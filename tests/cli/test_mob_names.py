"""A mob in Python is written as module:mob; for another form the message says which one works."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.cli.mob_names import require_definition
from redis_mob.errors import DefinitionError
from tests.cli.command import redis_mob

SOURCES = {
    "one.py": "from redis_mob import Mob\nraise RuntimeError('it is read, and not run')\noffice = Mob('x')\n",
    "two.py": "import redis_mob as r\na: r.Mob = r.Mob('x')\nb = r.Mob.from_definition(d)\nc = other()\n",
    "none.py": "x = 1\n",
    "bad.py": "x = (\n",
    "pack/__init__.py": "from redis_mob import Mob\nmob = Mob('x')\n",
    "pack/inner.py": "from redis_mob import Mob\nmob = Mob('x')\n",
    "notes.txt": "",
}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("one.py", "one.py: a mob in Python is written as module:mob: name it one:office"),
        ("one", "one: a mob in Python is written as module:mob: name it one:office"),
        ("two", "two: a mob in Python is written as module:mob: name it two:a or two:b"),
        ("none.py", 'write mob = Mob("name") there, and name it none:mob'),
        ("bad.py", "bad.py: a mob in Python is written as module:mob; this file has none: "),
        ("pack", "name it pack:mob"),
        ("pack.inner", "name it pack.inner:mob"),
        ("pack/inner.py", "name it pack.inner:mob"),
        ("missing.py", "missing.py: there is no such file or module here: name a .toml or .json file, or a mob in"),
        ("missing", "missing: there is no such file or module here"),
        ("notes.txt", "notes.txt: is neither: name a .toml or .json file, or a mob in Python as module:mob"),
    ],
)
def test_the_form_that_works_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str) -> None:
    (tmp_path / "pack").mkdir()
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError) as raised:
        require_definition(Path(given))
    assert told in str(raised.value)


def test_files_of_definitions_are_left_to_their_reader() -> None:
    require_definition(Path("missing.toml"))
    require_definition(Path("missing.json"))


def test_the_form_that_the_message_names_runs_and_the_only_flow_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(
        "from redis_mob import Mob, step\nmob = Mob('m')\n@mob.handler\ndef greet() -> str:\n    return 'hi'\n"
        "mob.flow('only', [step('greet')])\n"
    )
    refused = redis_mob(tmp_path, "run", "hello.py")
    assert refused.status == 2
    form = refused.err.split()[-1]
    ended = redis_mob(tmp_path, "run", form, "--json")
    assert ended.status == 0, ended.err
    assert '"outputs":{"greet":"hi"}' in ended.out
