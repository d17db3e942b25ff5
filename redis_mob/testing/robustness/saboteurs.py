"""Faults of one line each, of which a history has to find every one: what is judged by finds what it is made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Saboteur(NamedTuple):
    """A line that is replaced in a script (`lua/...`) or a module (`redis_mob/...`), and the traffic that finds it.

    `room` is `lua`, `session`, `subscription` or `engine`. The line stands once in its file.
    """

    name: str
    room: str
    file: str
    line: str
    replaced: str
    nemesis: str = "none"
    topology: str = "single"
    durability: str = "fsync"
    traffic: str = "stores"

    @property
    def arguments(self) -> list[str]:
        """The options of the command with which it is looked for."""
        return [
            *("--saboteur", self.name, "--nemesis", self.nemesis, "--topology", self.topology),
            *("--durability", self.durability, "--traffic", self.traffic),
        ]


def _lua(name: str, file: str, line: str, replaced: str, **found_by: str) -> Saboteur:
    return Saboteur(name, "lua", f"lua/{file}.lua", line, replaced, **found_by)


def _of_session(name: str, file: str, line: str, replaced: str, **found_by: str) -> Saboteur:
    return Saboteur(name, "session", file, line, replaced, **found_by)


def _of_subscription(name: str, file: str, line: str, replaced: str, **found_by: str) -> Saboteur:
    return Saboteur(name, "subscription", f"redis_mob/notifications/{file}.py", line, replaced, **found_by)


def _of_engine(name: str, file: str, line: str, replaced: str, **found_by: str) -> Saboteur:
    return Saboteur(name, "engine", f"redis_mob/fleet/{file}.py", line, replaced, traffic="fleet", **found_by)


_CALLS = "redis_mob/connection/calls"

SABOTEURS: Mapping[str, Saboteur] = {
    one.name: one
    for one in (
        _lua(
            "revisions-not-compared",
            "config/put_if_revision",
            "if actual ~= expected then return actual end",
            "",
        ),
        _lua(
            "records-not-compared",
            "records/compare_and_put",
            "if redis.call('HGET', generic_records, place) ~= compared then return LOST end",
            "",
        ),
        _lua("records-overwritten", "records/insert", "if stored then return { LOST, stored } end", ""),
        _lua(
            "records-deleted-unseen",
            "records/compare_and_delete",
            "if redis.call('HGET', generic_records, place) ~= compared then return LOST end",
            "",
        ),
        _lua("states-not-compared", "runs/cas_flow_state", "if not matches(run, run_change) then", "if false then"),
        _lua("inputs-forgotten", "runs/cas_flow_state", "in_chunks('RPUSH', inputs, new_inputs)", ""),
        _lua(
            "cursors-of-a-batch",
            "lib/event_log",
            "stored[i] = { event.cursor or before + i, event.timestamp }",
            "stored[i] = { event.cursor or before + 1, event.timestamp }",
        ),
        _lua(
            "page-begins-late",
            "lib/log_reading",
            "return redis.call('XRANGE', stream, '(' .. after .. '-0', '+', 'COUNT', limit)",
            "after = after + (after % 7 == 3 and 1 or 0)\n"
            "return redis.call('XRANGE', stream, '(' .. after .. '-0', '+', 'COUNT', limit)",
        ),
        _of_session(
            "receipts-not-looked-at",
            "lua/lib/session.lua",
            "if type(receipt) ~= 'string' or string.match(receipt, '^(%d+) %D') ~= answered",
            "if type(receipt) ~= 'string' and answered ~= '0:0'",
            nemesis="replies-lost",
        ),
        _of_session(
            "late-originals-executed",
            "lua/lib/session_check.lua",
            "if tonumber(number) >= tonumber(sequence) then",
            "if false then",
            nemesis="requests",
        ),
        _of_session(
            "losses-not-noticed",
            "lua/lib/session_check.lua",
            "if not known or last_call(seen) < tonumber(number or answered) then",
            "if not known then",
            nemesis="kill",
            durability="memory",
        ),
        _of_session(
            "last-answer-forgotten",
            f"{_CALLS}/sessions.py",
            'return self.acknowledged or "{}:{}".format(*self.session.last_answered)',
            'return "0:0"',
            nemesis="kill",
            durability="memory",
        ),
        _of_session(
            "numbers-not-counted-up",
            f"{_CALLS}/sessions.py",
            "slot.sequence += 1",
            "slot.sequence = slot.sequence or 1",
            nemesis="replies-lost",
        ),
        _of_session(
            "safety-not-waited-for",
            f"{_CALLS}/durability_wait.py",
            "while (reached := await self._reached(slot, until)) is not None and until is not None:",
            "while False:",
            nemesis="primary-dies",
            topology="cluster",
            durability="replicas:1",
        ),
        _of_subscription(
            "events-skipped",
            "subscription",
            "page = [entry for entry in page if entry[0] > self._after]",
            "page = [entry for entry in page if entry[0] > self._after + (self._after % 5 == 3)]",
        ),
        _of_subscription(
            "events-repeated",
            "subscription",
            "page = [entry for entry in page if entry[0] > self._after]",
            "page = [entry for entry in page if entry[0] > self._after - 1]",
        ),
        _of_subscription(
            "rollbacks-not-seen",
            "subscription",
            "if newest < self._after or (page and not self._is_as_seen(page[0])):",
            "if False:",
            nemesis="kill",
            durability="memory",
        ),
        _of_engine("quorum-one-short", "quorum", "if successes >= required:", "if successes >= required - 1:"),
        _of_engine(
            "tokens-not-compared",
            "engine",
            "if execution is not None and execution.lease is not None and execution.lease.fencing_token == token:",
            "if execution is not None and execution.lease is not None:",
            nemesis="worker-pauses",
        ),
        _of_engine(
            "never-tried-again",
            "retry",
            "return execution.attempts_of_step < attempts and begins_in_time(builder, execution, pause)",
            "return False",
        ),
        _of_engine(
            "lost-never-taken-over",
            "takeover",
            "return execution.status is ExecutionStatus.LEASED and lease is not None and lease.owner == loss.worker",
            "return False",
            nemesis="worker-dies",
        ),
    )
}
"""All of them, by name."""
