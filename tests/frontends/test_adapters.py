"""What front ends are told of a feed is what was recorded, and fits the schemas that their protocols publish."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ag_ui.core import Event
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from tests.frontends.scripted import DATA, FEEDS, adapters, events_of, recorded

AG_UI: TypeAdapter[Any] = TypeAdapter(Event)
AI_SDK = Draft202012Validator(json.loads((DATA / "ui_message_chunk.schema.json").read_text(encoding="utf-8")))


def check(protocol: str, event: dict[str, Any]) -> None:
    """Raise for an event that its protocol does not have."""
    if protocol == "ag_ui":
        AG_UI.validate_python(event)
    else:
        AI_SDK.validate(event)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("protocol", adapters())
def test_frames_are_as_recorded_and_fit_the_published_schema(protocol: str, feed: str) -> None:
    events = events_of(protocol, feed)
    lines = recorded(protocol, feed).read_text(encoding="utf-8").splitlines()
    assert events == [json.loads(line) for line in lines]
    for event in events:
        check(protocol, event)


@pytest.mark.parametrize("protocol", adapters())
def test_the_schemas_refuse_what_is_none_of_their_events(protocol: str) -> None:
    for wrong in ({"type": "NO_EVENT"}, {"type": "text-delta", "id": 1}, {"type": "RUN_STARTED"}, {}):
        with pytest.raises(Exception, match=r"."):
            check(protocol, wrong)


@pytest.mark.parametrize("feed", FEEDS)
def test_steps_and_messages_of_ag_ui_are_closed_before_the_run_is(feed: str) -> None:
    open_now: set[tuple[str, str]] = set()
    events = events_of("ag_ui", feed)
    assert [event["type"] for event in events].count("RUN_STARTED") == 1
    for event in events:
        kind, name = event["type"], str(event.get("stepName") or event.get("messageId"))
        if kind in ("STEP_STARTED", "TEXT_MESSAGE_START"):
            assert (kind[:4], name) not in open_now
            open_now.add((kind[:4], name))
        elif kind in ("STEP_FINISHED", "TEXT_MESSAGE_END"):
            open_now.remove((kind[:4], name))
        elif kind == "TEXT_MESSAGE_CONTENT":
            assert ("TEXT", name) in open_now
        elif kind in ("RUN_FINISHED", "RUN_ERROR"):
            assert not open_now
            assert event is events[-1]


@pytest.mark.parametrize("feed", FEEDS)
def test_texts_of_the_ai_sdk_are_closed(feed: str) -> None:
    open_now: set[str] = set()
    for event in events_of("ai_sdk", feed):
        match event["type"]:
            case "text-start":
                open_now.add(event["id"])
            case "text-delta":
                assert event["id"] in open_now
            case "text-end":
                open_now.remove(event["id"])
            case _:
                pass
    assert not open_now


@pytest.mark.parametrize(("protocol", "last"), [("ag_ui", "RUN_ERROR"), ("ai_sdk", "finish")])
def test_a_stream_that_breaks_off_says_so(protocol: str, last: str) -> None:
    adapter = adapters()[protocol]
    for item in FEEDS["failed"][:2]:
        list(adapter.of(item))
    events = list(adapter.failed("the storage is away"))
    for event in events:
        check(protocol, event)
    assert events[-1]["type"] == last
    assert "the storage is away" in json.dumps(events)
