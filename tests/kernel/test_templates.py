"""Templates of messages (contract: kernel-37)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import TemplateError
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import Placeholder, parse, render
from redis_mob.models.message import InlineImageBlock, Message, TextBlock

CONTEXT = ConditionContext(
    params={"user": "Ada", "n": 3, "f": 1.0, "null": None, "list": [1, "é"], "obj": {"b": {"y": 1, "x": [2]}, "a": 1}},
    steps={"draft": {"text": 'say "hi" {{ params.n }}', "ok": True}},
    loops={"refine": ({"crit": "first"}, {"crit": "second"})},
)


def rendered(message: Message) -> Message:
    return render(message, CONTEXT).message


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
        pytest.param("bad }}", "bad }}", id="stray_close"),
        pytest.param("{{ params.n }}}}", "3}}", id="stray_close_behind"),
        pytest.param('Answer as {"a": {"b": {"c": {"d": 1}}}}.', 'Answer as {"a": {"b": {"c": {"d": 1}}}}.', id="json"),
        pytest.param("{{ '{{' }} user }}", "{{ user }}", id="literal_pair"),
        pytest.param('{{"{{"}}', "{{", id="literal_pair_in_double_quotes"),
        pytest.param("{{ '{{ user }}' }}", "{{ user }}", id="literal_placeholder"),
        pytest.param("{{ '{{ user | e(\"x\") }}' }}!", '{{ user | e("x") }}!', id="quotes_within_quotes"),
        pytest.param("\\frac{{ '{' }}{{ params.n }}}{b}", "\\frac{3}{b}", id="literal_brace_before_a_placeholder"),
        pytest.param("{{ '{{' }}{{ '{{' }}{{ params.n }}", "{{{{3", id="literal_pairs_in_a_row"),
        pytest.param("{{ 'x' }} {{ \"\" }}", "null null", id="quotes_without_braces_are_a_path_as_before"),
    ],
)
def test_rendering(template: str, expected: str) -> None:
    assert rendered(template) == expected


@pytest.mark.parametrize(
    ("template", "place", "problem"),
    [
        pytest.param("{{ '{{ }}", (1, 5, 4), "within a placeholder", id="quotes_that_do_not_end"),
        pytest.param("{{ '{{' x }}", (1, 5, 4), "within a placeholder", id="something_behind_quotes"),
        pytest.param("{{{{ user }}}}", (1, 3, 2), "within a placeholder", id="doubled"),
        pytest.param("{{ params.{{n}} }}", (1, 11, 10), "within a placeholder", id="nested_open"),
        pytest.param("{{ params.n", (1, 1, 0), "never closed", id="unclosed"),
        pytest.param("{{", (1, 1, 0), "never closed", id="only_open"),
        pytest.param("{{ params.n }", (1, 13, 12), "single '}'", id="half_closed"),
        pytest.param("{{ a } b }}", (1, 6, 5), "single '}'", id="lone_close"),
        pytest.param("x {{}}", (1, 3, 2), "empty placeholder", id="empty"),
        pytest.param("x {{ \n }}", (1, 3, 2), "empty placeholder", id="blank"),
        pytest.param("é\n\n🦊 {{ }}", (3, 3, 9), "empty placeholder", id="lines_columns_and_bytes"),
        pytest.param("{{ params.n }}\n{{ ok }}\n{{", (3, 1, 24), "never closed", id="first_column"),
    ],
)
def test_engine_case_32_malformed_templates(template: str, place: tuple[int, int, int], problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(template, CONTEXT)
    assert (caught.value.line, caught.value.column, caught.value.byte) == place
    assert problem in str(caught.value)
    assert "write {{ '{{' }} where '{{' is meant" in str(caught.value)
    assert str(caught.value).startswith(f"line {place[0]}, column {place[1]} (byte {place[2]}): ")


def test_engine_case_34_other_blocks_are_untouched() -> None:
    image = InlineImageBlock(media_type="image/png", source="inline", data="{{ params.user }}")
    blocks = (TextBlock(text="hello {{ params.user }}"), image, TextBlock(text="bye"))
    assert rendered(blocks) == (TextBlock(text="hello Ada"), image, TextBlock(text="bye"))


def test_what_leads_nowhere_is_told_and_a_null_that_is_there_is_not() -> None:
    blocks = (TextBlock(text="{{ params.null }} {{ params.ghost }}"), TextBlock(text="é {{steps.draft.x}}"))
    assert render(blocks, CONTEXT).absent == (Placeholder("params.ghost", 18), Placeholder("steps.draft.x", 2))


def test_a_template_is_text_and_placeholders_with_their_positions() -> None:
    assert parse("a {{ params.n }} }} {{ '{{' }}b") == ("a ", Placeholder("params.n", 2), " }} ", "{{", "b")


def test_a_malformed_block_is_reported() -> None:
    with pytest.raises(TemplateError):
        render((TextBlock(text="fine"), TextBlock(text="{{")), CONTEXT)


@given(st.text())
def test_text_without_pairs_of_braces_is_kept(text: str) -> None:
    plain = text.replace("{", "(")
    assert rendered(plain) == plain


@given(st.lists(st.text(alphabet="{}'\" a\n🦊", max_size=12) | st.text(), max_size=4))
def test_text_whose_opening_pairs_are_escaped_is_given_back(texts: list[str]) -> None:
    escaped = [text.replace("{{", "{{ '{{' }}") for text in texts]
    # a brace before a placeholder would make a pair with it
    template = "|{{ params.n }}".join(escaped)
    assert rendered(template) == "|3".join(texts)


@given(st.text(alphabet="{} a\n🦊", max_size=12))
def test_an_error_points_at_a_brace(template: str) -> None:
    try:
        render(template, CONTEXT)
    except TemplateError as error:
        line = template.split("\n")[error.line - 1]
        assert line[error.column - 1] in "{}"
        assert template.encode()[error.byte :].startswith((b"{", b"}"))
