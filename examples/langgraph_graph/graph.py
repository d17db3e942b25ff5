"""A graph that writes about a topic in three steps, and remembers the topics it has written about."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph has annotations, but no mark that says so, and leaves some of them open.

from __future__ import annotations

import operator
import os
from typing import Annotated, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore


class State(TypedDict, total=False):
    """What the steps know: each adds a note."""

    topic: str
    notes: Annotated[list[str], operator.add]
    text: str


class Context(TypedDict):
    """What a call gives beside its input: the step in which the process is to die, for a look at what comes then."""

    dies_in: str | None


Graph = CompiledStateGraph[State, Context, State, State]


def outline(state: State, runtime: Runtime[Context]) -> State:
    """Where a model would make an outline."""
    return _done("outline", runtime, {"notes": [f"three sides of {state.get('topic')}"]})


def research(state: State, runtime: Runtime[Context]) -> State:
    """Where tools would look things up; what earlier threads were about is in the store."""
    known = runtime.store.search(("topics",)) if runtime.store is not None else []
    others = [item.key for item in known if item.key != state.get("topic")]
    return _done("research", runtime, {"notes": [f"known already: {', '.join(others) or 'nothing'}"]})


def write(state: State, runtime: Runtime[Context]) -> State:
    """Where a model would write."""
    if runtime.store is not None:
        runtime.store.put(("topics",), str(state.get("topic")), {"written": True})
    return _done("write", runtime, {"text": "; ".join(state.get("notes", []))})


def _done(step: str, runtime: Runtime[Context], found: State) -> State:
    if runtime.context["dies_in"] == step:
        print(f"{step}: the process dies", flush=True)
        os._exit(1)  # as if it were killed: nothing is handed back, and nothing is cleaned up
    print(f"{step}: done", flush=True)
    return found


def graph(saver: BaseCheckpointSaver[str], store: BaseStore) -> Graph:
    """The graph, with what keeps its checkpoints and its items."""
    builder = StateGraph(State, context_schema=Context)
    builder.add_node("outline", outline)
    builder.add_node("research", research)
    builder.add_node("write", write)
    builder.add_edge(START, "outline")
    builder.add_edge("outline", "research")
    builder.add_edge("research", "write")
    builder.add_edge("write", END)
    return builder.compile(checkpointer=saver, store=store)
