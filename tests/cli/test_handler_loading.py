"""Finding handlers by name, and saying what is wrong with the name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_mob.errors import HandlerError
from redis_mob.fleet.handler_loading import load_handlers, require_handlers
from redis_mob.models.definition import MobDefinition, SupervisorSpec
from tests.cli.conftest import FLOWS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; modules that are imported from it are forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(name: str) -> str:
    with pytest.raises(HandlerError) as caught:
        load_handlers(name)
    assert str(caught.value).startswith(f"handler {name!r}: ")
    return str(caught.value)


def test_a_function_serves_all_roles(here: Path) -> None:
    (here / "mod_function.py").write_text("def f(ctx): return 1\n")
    handlers = load_handlers("mod_function:f")
    assert list(handlers) == ["*"]
    no_context: Any = None
    assert handlers["*"](no_context) == 1


def test_a_dict_serves_its_roles(here: Path) -> None:
    (here / "mod_dict.py").write_text("def f(ctx): return 1\nALL = {'a': f, '*': f}\n")
    assert list(load_handlers("mod_dict:ALL")) == ["a", "*"]


def test_a_module_in_a_package_of_the_working_directory(here: Path) -> None:
    (here / "mod_package").mkdir()
    (here / "mod_package" / "inner.py").write_text("def f(ctx): return 1\n")
    assert list(load_handlers("mod_package.inner:f")) == ["*"]


@pytest.mark.parametrize("name", ["", "mod", "mod:", ":f"])
def test_a_name_has_a_module_and_an_attribute(name: str) -> None:
    assert "write module:function" in refusal(name)


def test_a_missing_module_is_told_from_a_missing_import_in_it(here: Path) -> None:
    (here / "mod_import.py").write_text("\nimport not_installed_anywhere\n")
    assert "there is no module 'mod_missing', neither in" in refusal("mod_missing:f")
    told = refusal("mod_import:f")
    assert "cannot be imported: ModuleNotFoundError: No module named 'not_installed_anywhere'" in told
    assert told.endswith(f"({here}/mod_import.py:2)")


def test_an_exception_deeper_down_is_told_with_both_places(here: Path) -> None:
    (here / "mod_helper.py").write_text("1 / 0\n")
    (here / "mod_outer.py").write_text("import os\nimport mod_helper\n")
    told = refusal("mod_outer:f")
    assert "ZeroDivisionError: division by zero" in told
    assert f"({here}/mod_helper.py:1, by way of {here}/mod_outer.py:2)" in told


def test_a_syntax_error_is_told_with_its_line(here: Path) -> None:
    (here / "mod_syntax.py").write_text("x = 1\nif x\n")
    told = refusal("mod_syntax:f")
    assert "SyntaxError: expected ':'" in told
    assert f"({here}/mod_syntax.py:2)" in told


def test_a_module_that_exits_while_it_is_imported(here: Path) -> None:
    (here / "mod_exit.py").write_text("raise SystemExit('go away')\n")
    assert "SystemExit: go away" in refusal("mod_exit:f")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("7", "it is a int, neither a function nor a dict"),
        ("{}", "the dict is empty"),
        ("{1: print}", "the key 1 is no role"),
        ("{'a': 7}", "role 'a' has a int, which is no function"),
    ],
)
def test_a_value_that_is_no_handler(here: Path, value: str, told: str) -> None:
    (here / "mod_value.py").write_text(f"X = {value}\n")
    assert told in refusal("mod_value:X")


def test_a_missing_attribute_names_the_file_that_was_looked_at(here: Path) -> None:
    (here / "mod_attribute.py").write_text("")
    assert f"module 'mod_attribute' ({here}/mod_attribute.py) has no 'f'" in refusal("mod_attribute:f")


def test_every_role_that_a_flow_uses_must_be_served() -> None:
    definition = MobDefinition.from_toml(FLOWS)
    require_handlers({"clerk": print, "judge": print}, "two", definition)
    require_handlers({"*": print}, "two", definition)
    with pytest.raises(HandlerError, match=r"flow 'two': no handler for role 'clerk', 'judge'; there are .* 'other'"):
        require_handlers({"other": print}, "two", definition)


def test_the_role_of_a_supervisor_that_is_told_must_be_served() -> None:
    two = MobDefinition.from_toml(FLOWS)
    for threshold in (0, 1):
        spec = SupervisorSpec(role="lead", escalation_threshold=threshold)
        definition = two.model_copy(update={"supervisor": spec})
        handlers = {"clerk": print, "judge": print}
        if threshold == 0:
            require_handlers(handlers, "two", definition)
        else:
            with pytest.raises(HandlerError, match="no handler for role 'lead'"):
                require_handlers(handlers, "two", definition)
