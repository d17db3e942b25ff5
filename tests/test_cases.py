"""Every numbered case of the contracts is shown by a test, and docs/cases.md says where."""

from __future__ import annotations

from tests.case_table import (
    CONFIG_CASES,
    ENGINE_CASES,
    HOST_CASES,
    NOT_SHOWN,
    STORE_CASES,
    SUITE,
    TABLE,
    TESTS,
    cases_of,
    listed_cases,
    rewritten,
)

ALL_CASES = STORE_CASES | CONFIG_CASES | ENGINE_CASES | HOST_CASES


def test_every_case_is_in_the_id_of_a_test_or_has_a_reason() -> None:
    shown = cases_of(SUITE).keys() | cases_of(TESTS).keys()
    assert shown == ALL_CASES - NOT_SHOWN.keys()


def test_the_tables_list_each_case_once_and_say_where_it_is() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert sorted(listed_cases(text)) == sorted(ALL_CASES)
    assert rewritten(text) == text, "run `python -m tests.case_table`"
