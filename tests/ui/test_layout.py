"""Where a graph is drawn: nothing overlaps, everything lies in its box, and edges go forwards."""

from __future__ import annotations

import resource
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.kernel.seeds import loop_instance_id, root_frame_id
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, RepeatUntilSpec
from redis_mob.past.time_travel import node_id
from redis_mob.ui.layout import arranged
from redis_mob.ui.picture import Box, Node, Picture, picture_of
from tests.fleet.everything import EVERYTHING as FLOW_OF_EVERYTHING
from tests.fleet.flows import loop, mob, node, runs, step, wait, with_flows
from tests.fleet.strategies import EVERYTHING, mobs
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

GENEROUS = settings(max_examples=examples(100), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)
RUN = "11111111-1111-4111-8111-111111111111"
NEVER = EqCondition(path="params.x", value=1)


def drawn(definition: MobDefinition, rounds: int = 0) -> Picture:
    """The picture of a run whose loops have begun so many iterations each."""
    flow = definition.flows["flow"]
    return picture_of(flow, RUN, dict.fromkeys(_loops(flow, rounds), rounds), {"worker": 3})


def _loops(flow: FlowSpec, rounds: int) -> list[str]:
    def each(frame_id: str, frame: FrameSpec) -> list[str]:
        found: list[str] = []
        for name, one in frame.nodes.items():
            if isinstance(one, RepeatUntilSpec):
                found.append(node_id(frame_id, name))
                for body in range(rounds):
                    found += each(f"{loop_instance_id(frame_id, name)}::iter-{body}", one.body)
        return found

    return each(root_frame_id(RUN), flow.root_frame)


def apart(one: Node | Box, other: Node | Box) -> bool:
    beside = one.x + one.w <= other.x + 1e-6 or other.x + other.w <= one.x + 1e-6
    return beside or one.y + one.h <= other.y + 1e-6 or other.y + other.h <= one.y + 1e-6


def within(one: Node | Box, other: Box) -> bool:
    return (
        other.x < one.x and other.y < one.y and one.x + one.w < other.x + other.w and one.y + one.h < other.y + other.h
    )


@GENEROUS
@given(mobs(EVERYTHING), st.integers(0, 3))
def test_nothing_overlaps_and_all_lies_in_its_box(definition: MobDefinition, rounds: int) -> None:
    picture = drawn(definition, rounds)
    boxes = {box.id: box for box in picture.boxes}
    around: dict[str | None, list[Node | Box]] = {}
    for one in picture.nodes:
        around.setdefault(one.box, []).append(one)
    for one in picture.boxes:
        around.setdefault(one.parent, []).append(one)
    for box, held in around.items():
        assert all(apart(one, other) for one, other in combinations(held, 2))
        for one in held:
            if box is None:
                assert one.x >= 0 and one.y >= 0
                assert one.x + one.w <= picture.width + 1e-6 and one.y + one.h <= picture.height + 1e-6
            else:
                assert within(one, boxes[box])


@GENEROUS
@given(mobs(EVERYTHING), st.integers(0, 3))
def test_edges_go_forwards_from_border_to_border(definition: MobDefinition, rounds: int) -> None:
    picture = drawn(definition, rounds)
    places = {one.id: one for one in (*picture.nodes, *picture.boxes)}
    for edge in picture.edges:
        start, end = places[edge.start], places[edge.end]
        assert edge.points[0] == (start.x + start.w, start.y + start.h / 2)
        assert edge.points[-1] == (end.x, end.y + end.h / 2)
        assert [x for x, _ in edge.points] == sorted(x for x, _ in edge.points)
        assert start.x + start.w < end.x


@GENEROUS
@given(mobs(EVERYTHING), st.integers(0, 2))
def test_the_same_flow_is_drawn_the_same(definition: MobDefinition, rounds: int) -> None:
    again = MobDefinition.model_validate_json(definition.model_dump_json())
    assert drawn(definition, rounds).as_json() == drawn(again, rounds).as_json()


def test_long_edges_pass_the_boxes_of_the_layers_between() -> None:
    size = (100.0, 40.0)
    made = arranged(dict.fromkeys("abc", size), {"b": ["a"], "c": ["b", "a"]})
    (left, top), way = made.corners["b"], made.ways["a", "c"]
    assert [made.layers[name] for name in "abc"] == [0, 1, 2]
    assert [x for x, _ in way[1:-1]] == [left, left + size[0]]
    assert all(not top <= y <= top + size[1] for _, y in way[1:-1])


def test_a_step_names_who_does_it() -> None:
    flow = with_flows(
        mob({"asked": step(), "heard": wait("asked", signal="printed"), "run": runs("other", "heard")}),
        other={"b": step()},
    )
    found = {one.step_id: one.detail for one in drawn(flow, 1).nodes}
    assert found == {"asked": "worker", "heard": "signal printed", "run": "flow other"}


def test_the_flow_of_everything() -> None:
    picture = drawn(FLOW_OF_EVERYTHING, 2)
    by_step = {one.step_id: one for one in picture.nodes}
    assert by_step["vote"].quorum == {"n": 2, "m": 3} and by_step["gather"].quorum == {"n": 3, "m": 3}
    assert by_step["end"].quorum is None and by_step["each"].does == "items"
    assert {edge.start.rpartition("/")[2] for edge in picture.edges if edge.branch} == {"left", "right"}
    outer = next(box for box in picture.boxes if box.loop_id == "outer" and box.iteration is None)
    assert [box.iteration for box in picture.boxes if box.parent == outer.id] == [1, 2]
    inner = [box for box in picture.boxes if box.loop_id == "inner" and box.iteration is None]
    assert len(inner) == 2 and {box.parent for box in inner} == {
        box.id for box in picture.boxes if box.parent == outer.id
    }
    assert sum(one.step_id == "polish" for one in picture.nodes) == 4


def test_a_loop_that_has_not_begun_has_one_iteration_to_come() -> None:
    picture = drawn(mob({"a": step()}, {"l": loop("l", NEVER, 9, a=node("a"))}))
    assert [(box.iteration, box.most) for box in picture.boxes] == [(None, 9), (1, 9)]
    assert picture.nodes[0].id == f"{RUN}-root::l::iter-0/a" and picture.nodes[0].box == f"{RUN}-root::l::iter-0"


def test_ten_thousand_steps_cost_about_ten_times_as_much_as_a_thousand() -> None:
    steps = {f"b{n}": step() for n in range(10)}
    body: dict[str, Any] = {f"b{n}": node(f"b{n}", *([f"b{n - 1}"] if n else [])) for n in range(10)}
    flow = mob(steps, {"l": loop("l", NEVER, 1000, **body)}).flows["flow"]
    wide = {f"s{n}": ("a", *(() if n < 30 else (f"s{n - 30}", f"s{n - 29}"))) for n in range(3_000)}

    def cost(of_loop: int, of_steps: int) -> float:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        picture_of(flow, RUN, {f"{RUN}-root/l": of_loop})
        arranged({"a": (9, 9), **dict.fromkeys(list(wide)[:of_steps], (9, 9))}, wide)
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before

    cost(10, 30)
    assert cost(1_000, 3_000) < 40 * max(cost(100, 300), 0.01)
