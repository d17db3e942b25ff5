"""Templates of messages (contract: kernel-37)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import TemplateError
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import render
from redis_mob.models.flow_spec import InlineImageBlock, TextBlock

CONTEXT = ConditionContext(
    params={"user": "Ada", "n": 3, "f": 1.0, "null": None, "list": [1, "é"], "obj": {"b": {"y": 1, "x": [2]}, "a": 1}},
    steps={"draft": {"text": 'say "hi" {{ params.n }}', "ok": True}},
    loops={"refine": ({"crit": "first"}, {"crit": "second"})},
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("plain", "plain", id="plain"),
        pytest.param("hello {{ params.user }}!", "hello Ada!", id="text"),
        pytest.param("{{params.user}}{{params.user}}", "AdaAda", id="adjacent"),
        pytest.param("{{\n\tparams.user\n}}", "Ada", id="blanks"),
        pytest.param("{{ params.n }} {{ params.f }} {{ steps.draft.ok }}", "3 1.0 true", id="scalars"),
        pytest.param("{{ params.list }}", '[1,"é"]', id="list"),
        pytest.param("{{ params.obj }}", '{"a":1,"b":{"x":[2],"y":1}}', id="object_with_sorted_keys"),
        pytest.param("{{ params.null }}", "null", id="null"),
        pytest.param("{{ params.ghost }} {{ nonsense }}", "null null", id="engine_case_33"),
        pytest.param("{{ steps.draft.output.text }}", 'say "hi" {{ params.n }}', id="value_is_not_rendered_again"),
        pytest.param("{{ loops.refine.iterations.1.steps.crit }}", "second", id="engine_case_35"),
        pytest.param('{"a": {"b": 1} }', '{"a": {"b": 1} }', id="single_braces"),
        pytest.param("a } b { c", "a } b { c", id="single_braces_apart"),
        pytest.param("{{ params.n }}}", "3}", id="brace_behind"),
        pytest.param("{{{params.n}}", "null", id="brace_within"),
        pytest.param("é{{ params.user }}🦊", "éAda🦊", id="unicode"),
    ],
)
def test_rendering(template: str, expected: str) -> None:
    assert render(template, CONTEXT) == expected


@pytest.mark.parametrize(
    ("template", "place", "problem"),
    [
        pytest.param("bad }}", (1, 5, 4), "closes nothing", id="stray_close"),
        pytest.param("{{ params.n }}}}", (1, 15, 14), "closes nothing", id="stray_close_behind"),
        pytest.param("{{ params.{{n}} }}", (1, 11, 10), "within a placeholder", id="nested_open"),
        pytest.param("{{ params.n", (1, 1, 0), "never closed", id="unclosed"),
        pytest.param("{{", (1, 1, 0), "never closed", id="only_open"),
        pytest.param("{{ params.n }", (1, 13, 12), "single '}'", id="half_closed"),
        pytest.param("{{ a } b }}", (1, 6, 5), "single '}'", id="lone_close"),
        pytest.param("x {{}}", (1, 3, 2), "empty placeholder", id="empty"),
        pytest.param("x {{ \n }}", (1, 3, 2), "empty placeholder", id="blank"),
        pytest.param("é\n\n🦊 {{ }}", (3, 3, 9), "empty placeholder", id="lines_columns_and_bytes"),
        pytest.param("{{ params.n }}\n{{ ok }}\n}}", (3, 1, 24), "closes nothing", id="first_column"),
    ],
)
def test_engine_case_32_malformed_templates(template: str, place: tuple[int, int, int], problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(template, CONTEXT)
    assert (caught.value.line, caught.value.column, caught.value.byte) == place
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"line {place[0]}, column {place[1]} (byte {place[2]}): ")


def test_engine_case_34_other_blocks_are_untouched() -> None:
    image = InlineImageBlock(media_type="image/png", source="inline", data="{{ params.user }}")
    blocks = (TextBlock(text="hello {{ params.user }}"), image, TextBlock(text="bye"))
    assert render(blocks, CONTEXT) == (TextBlock(text="hello Ada"), image, TextBlock(text="bye"))


def test_a_malformed_block_is_reported() -> None:
    with pytest.raises(TemplateError):
        render((TextBlock(text="fine"), TextBlock(text="{{")), CONTEXT)


@given(st.text())
def test_text_without_pairs_of_braces_is_kept(text: str) -> None:
    plain = text.replace("{{", "").replace("}}", "").replace("{", "(").replace("}", ")")
    assert render(plain, CONTEXT) == plain


@given(st.text(alphabet="{} a\n🦊", max_size=12))
def test_an_error_points_at_a_brace(template: str) -> None:
    try:
        render(template, CONTEXT)
    except TemplateError as error:
        line = template.split("\n")[error.line - 1]
        assert line[error.column - 1] in "{}"
        assert template.encode()[error.byte :].startswith((b"{", b"}"))
