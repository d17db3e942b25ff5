"""Every numbered case of the contracts is shown by a test, and docs/cases.md says where."""

from __future__ import annotations

from tests.case_table import CONFIG_CASES, STORE_CASES, SUITE, TABLE, TESTS, cases_of, listed_cases, rewritten


def test_every_case_is_in_the_id_of_a_test() -> None:
    assert cases_of(SUITE).keys() | cases_of(TESTS).keys() == STORE_CASES | CONFIG_CASES


def test_the_table_lists_each_case_once_and_says_where_it_is() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert sorted(listed_cases(text)) == sorted(STORE_CASES | CONFIG_CASES)
    assert rewritten(text) == text, "run `python -m tests.case_table`"
