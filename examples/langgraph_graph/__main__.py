"""Run the graph for a topic, or go on where a process that died has left it."""

# pyright: reportUnknownMemberType=false
# LangGraph leaves some of its annotations open.

from __future__ import annotations

import argparse

from langchain_core.runnables import RunnableConfig

from examples.langgraph_graph.graph import Context, State, graph
from redis_mob.langgraph import RedisMobSaver, RedisMobStore
from redis_mob.sync import MobStorage


def main() -> None:
    """Read the command line, and run."""
    options = argparse.ArgumentParser(prog="python -m examples.langgraph_graph", description=__doc__)
    options.add_argument("topic")
    options.add_argument("--url", default="embedded:state", help="the server (default: one of its own, in ./state)")
    options.add_argument("--die-in", choices=["outline", "research", "write"], help="a step in which to die")
    given = options.parse_args()
    with MobStorage.open(given.url, namespace="graphs") as storage:
        compiled = graph(RedisMobSaver(storage), RedisMobStore(storage))
        config: RunnableConfig = {"configurable": {"thread_id": given.topic}}
        # a thread that has steps to do goes on with them: with None as input
        waiting = compiled.get_state(config).next
        begin = None if waiting else State(topic=given.topic)
        state = compiled.invoke(begin, config, context=Context(dies_in=given.die_in), durability="sync")
        print(state["text"])


if __name__ == "__main__":
    main()
