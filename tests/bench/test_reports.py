"""Reports: their JSON, their sentence, their tables, and how they are compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from redis_mob import ValidationError
from redis_mob.bench import Report, losses, read_report, to_markdown, to_text, write_plots
from redis_mob.bench.check import common
from tests.bench.reports import report, result, steady

BASE = result("nothing", steady(50), is_baseline=True)


def test_json_gives_the_report_back() -> None:
    told = report(BASE, result("grant", steady(100), size=5))
    told.left_out["postgresql"] = "there is no initdb"
    assert Report.from_json(told.to_json()) == told


def test_json_has_a_line_for_each_result_so_that_a_difference_can_be_read() -> None:
    lines = report(BASE, result("grant", steady(100))).to_json().splitlines()
    assert [json.loads(line.strip().rstrip(","))["name"] for line in lines if '"operation"' in line] == [
        "nothing",
        "grant",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "groups": [{}]}', "\ud800"])
def test_another_text_is_no_report(text: str) -> None:
    with pytest.raises(ValidationError, match="no report of a benchmark"):
        Report.from_json(text)


@pytest.mark.parametrize("content", [None, b"\xff", b"{"])
def test_a_file_without_a_report_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "figures.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValidationError, match=r"figures\.json"):
        read_report(file)


def test_the_sentence_is_about_agents_with_runs_of_their_own_where_they_were_measured() -> None:
    agents = result("own-runs", steady(100), size=50, agents=64)
    assert report(result("get_run", steady(9)), agents).sentence() == (
        "this server does 9,996 transitions/s for 64 agents; p99 0.2 ms"
    )


def test_else_the_sentence_is_about_what_was_measured() -> None:
    told = report(BASE, result("get_run", steady(1e5), size=5)).sentence()
    assert told == "this server does 10 operations of get_run[5]/s for one agent; p99 200 ms"
    assert report(BASE).sentence() == "nothing was measured"


def test_a_slower_ratio_is_a_loss_and_names_both() -> None:
    before = report(BASE, result("grant", steady(100)))
    [loss] = losses(before, report(BASE, result("grant", steady(130))))
    assert "grant takes 2.60 times nothing (2.60 to 2.60), and took 2.00 (2.00 to 2.00)" in str(loss)


def test_a_slower_machine_is_no_loss() -> None:
    before = report(BASE, result("grant", steady(100)))
    slower = report(result("nothing", steady(150), is_baseline=True), result("grant", steady(300)))
    assert losses(before, slower) == []
    assert common(before, slower) == 1


def test_what_is_within_the_margin_or_the_noise_is_no_loss() -> None:
    before = report(BASE, result("grant", steady(100)))
    assert losses(before, report(BASE, result("grant", steady(119)))) == []
    restless = [60.0, 200.0, 90.0, 300.0, 100.0, 250.0, 80.0, 400.0, 110.0, 500.0]
    assert losses(before, report(BASE, result("grant", restless))) == []


def test_faster_is_no_loss() -> None:
    before = report(BASE, result("grant", steady(100)))
    assert losses(before, report(BASE, result("grant", steady(10)))) == []


def test_growth_with_the_size_is_compared_too() -> None:
    before = report(result("get", steady(100), size=5), result("get", steady(110), size=500))
    [loss] = losses(before, report(result("get", steady(50), size=5), result("get", steady(100), size=500)))
    assert (loss.scenario, loss.compared_with) == ("get[500]", "get[5]")


def test_what_only_one_of_them_has_is_not_compared() -> None:
    before = report(BASE, result("grant", steady(100)))
    other = report(BASE, result("other", steady(900)))
    assert losses(before, other) == []
    assert common(before, other) == 0


def test_baselines_of_another_size_are_not_compared() -> None:
    blob = result("blob", steady(70), size=500, is_baseline=True)
    told = report(BASE, blob, result("grant", steady(100), size=5))
    assert [theirs.key for _, theirs, _ in told.groups[0].compared()] == ["nothing"]


def test_the_tables_have_all_figures_and_end_with_the_sentence() -> None:
    told = report(BASE, result("grant", steady(100), size=5))
    told.left_out["postgresql"] = "there is no initdb"
    lines = to_text(told).splitlines()
    [row] = [line for line in lines if line.split()[:1] == ["grant[5]"]]
    assert row.split() == [
        *("grant[5]", "100", "0.045", "200", "300", "9,996", "100", "-", "-", "-", "-", "-"),
        *("2.00", "(2.00", "-", "2.00)"),
    ]
    assert "left out: postgresql: there is no initdb" in lines
    assert lines[-1] == told.sentence()


def test_the_page_has_the_ratios_to_all_baselines_and_the_pictures() -> None:
    other = result("other", steady(25), is_baseline=True)
    page = to_markdown(report(BASE, other, result("grant", steady(100))), ["plots/group.svg"])
    assert "![group: about it](plots/group.svg)" in page
    assert "|  | nothing | other |" in page
    assert "| grant | 2.00 (2.00 - 2.00) | 4.00 (4.00 - 4.00) |" in page
    assert "- `grant`: does grant" in page


def test_each_group_is_drawn_over_its_sizes_or_as_bars(tmp_path: Path) -> None:
    sized = report(BASE, *(result("get", steady(size), size=size) for size in (5, 50)))
    for told in (report(BASE, result("grant", steady(100))), sized):
        [file] = write_plots(told, tmp_path / "plots")
        first = file.read_text()
        assert first.count("<svg") == 1
        write_plots(told, tmp_path / "plots")
        assert file.read_text() == first, "the same figures are the same file"


def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValidationError, match=r"pip install 'redis-mob\[bench\]'"):
        write_plots(report(BASE), tmp_path)
