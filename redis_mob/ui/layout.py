"""Where the boxes of a graph are drawn: in layers from left to right, each behind all that it depends on. Pure.

The layer of a box is the longest way to it. Within a layer boxes come in the order of those that they are linked
with, so that few edges cross; then each is moved as near to them as the others let it. It costs about as much as there
are boxes and edges, and gives the same for the same graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Size: TypeAlias = tuple[float, float]

GAP_X = 56.0
"""Between two layers: room for the edges."""
GAP_Y = 20.0
"""Between two boxes of a layer."""
SWEEPS = 4
"""How often the layers are put in the order of their neighbours, to and fro."""
MOST_BENDS = 4
"""Bends of edges over several layers, for each box of the graph: beyond that long edges are drawn straight."""
_BEND_HEIGHT = 6.0

Key: TypeAlias = str | tuple[str, str, int]
"""A box, or the place at which an edge passes a layer."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How large a drawing is, where each box of it has its upper left corner, and through which points edges go.

    `ways` has each edge, from a box to one that depends on it: from its right side to the left one of the other.
    """

    width: float
    height: float
    corners: Mapping[str, Point]
    layers: Mapping[str, int]
    ways: Mapping[tuple[str, str], Sequence[Point]]


@dataclass(slots=True)
class _Drawing:
    sizes: Mapping[str, Size]
    layers: dict[str, int] = field(default_factory=dict[str, int])
    rows: list[list[Key]] = field(default_factory=list[list[Key]])
    before: dict[Key, list[Key]] = field(default_factory=dict[Key, list[Key]])
    after: dict[Key, list[Key]] = field(default_factory=dict[Key, list[Key]])
    chains: dict[tuple[str, str], list[Key]] = field(default_factory=dict[tuple[str, str], list[Key]])

    def height_of(self, key: Key) -> float:
        return self.sizes[key][1] if isinstance(key, str) else _BEND_HEIGHT


def arranged(sizes: Mapping[str, Size], needs: Mapping[str, Sequence[str]]) -> Arrangement:
    """Arrange boxes of these sizes, of which each comes behind those that it needs; `sizes` has each after these.

    Raises KeyError for a need that is none of the boxes, or comes later.
    """
    drawing = _Drawing(sizes)
    for name in sizes:
        drawing.layers[name] = max((drawing.layers[need] + 1 for need in needs.get(name, ())), default=0)
    drawing.rows = [[] for _ in range(max(drawing.layers.values(), default=-1) + 1)]
    for name, layer in drawing.layers.items():
        drawing.rows[layer].append(name)
    _link(drawing, needs)
    _sort(drawing)
    return _placed(drawing)


def _link(drawing: _Drawing, needs: Mapping[str, Sequence[str]]) -> None:
    layers = drawing.layers
    edges = [(need, name) for name in drawing.sizes for need in dict.fromkeys(needs.get(name, ()))]
    bends = sum(layers[end] - layers[start] - 1 for start, end in edges)
    has_bends = bends <= MOST_BENDS * len(layers)
    for start, end in edges:
        between = range(layers[start] + 1, layers[end]) if has_bends else ()
        chain: list[Key] = [start, *((start, end, layer) for layer in between), end]
        for layer, bend in zip(between, chain[1:-1], strict=True):
            drawing.rows[layer].append(bend)
        drawing.chains[start, end] = chain
        for one, following in pairwise(chain):
            drawing.after.setdefault(one, []).append(following)
            drawing.before.setdefault(following, []).append(one)


def _sort(drawing: _Drawing) -> None:
    """Order each layer by the middle of what its boxes are linked with in the layer beside it."""
    places = {key: float(place) for row in drawing.rows for place, key in enumerate(row)}
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        links = drawing.before if forth else drawing.after
        for row in drawing.rows[1:] if forth else reversed(drawing.rows[:-1]):
            middles = {key: _mean([places[one] for one in links.get(key, ())], places[key]) for key in row}
            row.sort(key=middles.__getitem__)
            places.update((key, float(place)) for place, key in enumerate(row))


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _placed(drawing: _Drawing) -> Arrangement:
    tops: dict[Key, float] = {}
    tallest = max((_stack_height(drawing, row) for row in drawing.rows), default=0.0)
    for row in drawing.rows:
        _stack(drawing, row, tops, (tallest - _stack_height(drawing, row)) / 2, drawing.before)
    for row in reversed(drawing.rows[:-1]):
        _stack(drawing, row, tops, None, drawing.after)
    least = min(tops.values(), default=0.0)
    corners: dict[str, Point] = {}
    sides: list[tuple[float, float]] = []
    x = 0.0
    for row in drawing.rows:
        widest = max((drawing.sizes[key][0] for key in row if isinstance(key, str)), default=0.0)
        for key in row:
            if isinstance(key, str):
                corners[key] = x + (widest - drawing.sizes[key][0]) / 2, tops[key] - least
        sides.append((x, x + widest))
        x += widest + GAP_X
    return Arrangement(
        width=max(x - GAP_X, 0.0),
        height=max((tops[key] + drawing.height_of(key) - least for key in tops), default=0.0),
        corners=corners,
        layers=drawing.layers,
        ways={edge: _way(drawing, chain, corners, tops, sides, least) for edge, chain in drawing.chains.items()},
    )


def _stack_height(drawing: _Drawing, row: Sequence[Key]) -> float:
    return sum(map(drawing.height_of, row)) + GAP_Y * max(len(row) - 1, 0)


def _stack(
    drawing: _Drawing,
    row: Sequence[Key],
    tops: dict[Key, float],
    start: float | None,
    links: Mapping[Key, Sequence[Key]],
) -> None:
    """Put the boxes of a layer below each other, each as near to the middle of its neighbours as those above let it.

    With `start` the first one that is linked with nothing is there.
    """
    wanted: list[float] = []
    at = tops[row[0]] if start is None and row else start or 0.0
    for key in row:
        height = drawing.height_of(key)
        near = [tops[one] + drawing.height_of(one) / 2 for one in links.get(key, ()) if one in tops]
        wanted.append(_mean(near, tops.get(key, at) + height / 2) - height / 2)
        at = max(at, wanted[-1]) + height + GAP_Y
    placed: list[float] = []
    least = float("-inf")
    for key, top in zip(row, wanted, strict=True):
        placed.append(max(top, least))
        least = placed[-1] + drawing.height_of(key) + GAP_Y
    # those that were pushed down go up again together, so that a layer stands in the middle of what it is linked with
    shift = _mean([there - top for there, top in zip(placed, wanted, strict=True)], 0.0)
    tops.update((key, top - shift) for key, top in zip(row, placed, strict=True))


def _way(
    drawing: _Drawing,
    chain: Sequence[Key],
    corners: Mapping[str, Point],
    tops: Mapping[Key, float],
    sides: Sequence[tuple[float, float]],
    least: float,
) -> list[Point]:
    points: list[Point] = []
    for place, key in enumerate(chain):
        if isinstance(key, str):
            x, y = corners[key]
            width, height = drawing.sizes[key]
            points.append((x + (width if place == 0 else 0.0), y + height / 2))
        else:
            points += ((x, tops[key] - least + _BEND_HEIGHT / 2) for x in sides[key[2]])
    return points
