"""Checks of what there is room for: memory, connections, time."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from redis_mob.admin.doctor.finding import Check, Verdict, answered, error, note, ok, warning
from redis_mob.admin.doctor.observations import Observations
from redis_mob.admin.doctor.units import milliseconds, size

NEARLY_FULL, ALMOST_FULL = 0.8, 0.95
"""Parts of a limit from which on it is worth a warning, and an error."""

SMALL = 64 * 2**20
"""Bytes: fragmentation of less memory means nothing, and a client with a smaller limit may reach it with one reply."""

FRAGMENTED, SWAPPED = 1.5, 0.9
"""Resident memory by used memory: much more is lost to fragmentation, less has been swapped out."""

MANY_SCRIPTS = 1000
"""This library has about 80; programs that write values into the text of scripts have any number."""

SLOW_PING = 0.01
SLOW_SCRIPT = 0.1
CLOCK_APART = 1.0
"""Seconds."""


def _memory(seen: Observations) -> Iterator[Verdict]:
    used, limit = seen.number("used_memory"), seen.number("maxmemory")
    if limit:
        yield _filled(
            used / limit, f"{size(used)} of maxmemory {size(limit)} are used", "a greater maxmemory; prune old events"
        )
        return
    machine = seen.number("total_system_memory")
    found = f"maxmemory 0: only the {size(machine)} of the machine end it, of which {size(used)} are used"
    change = f"maxmemory {int(machine * 0.7)}"
    yield warning(found, change) if used > machine * NEARLY_FULL else note(found, change)


def _fragmentation(seen: Observations) -> Iterator[Verdict]:
    used, resident = seen.number("used_memory"), seen.number("used_memory_rss")
    ratio = resident / used
    found = f"{size(resident)} are resident for {size(used)} in use"
    if used < SMALL or SWAPPED <= ratio <= FRAGMENTED:
        yield ok(found)
    elif ratio > FRAGMENTED:
        yield warning(found, "activedefrag yes, where the server has it; else a restart")
    else:
        yield warning(f"{found}: the rest has been swapped out", "more memory, or less on this machine")


def _connections(seen: Observations) -> Iterator[Verdict]:
    connected, most = seen.number("connected_clients"), seen.number("maxclients")
    yield _filled(connected / most, f"{connected} of maxclients {most} are connected", "a greater maxclients")


def _idle(seen: Observations) -> Iterator[Verdict]:
    timeout, keepalive = int(seen.setting("timeout")), int(seen.setting("tcp-keepalive"))
    if timeout:
        yield note(f"timeout {timeout}: connections idle for so many seconds are closed, and made again", "timeout 0")
    if not keepalive:
        yield warning("tcp-keepalive 0: connections of hosts that vanished stay for ever", "tcp-keepalive 300")
    if not timeout and keepalive:
        yield ok(f"timeout 0, tcp-keepalive {keepalive}")


def _buffers(seen: Observations) -> Iterator[Verdict]:
    words = seen.setting("client-output-buffer-limit").split()
    hard_limits = {words[at]: int(words[at + 1]) for at in range(0, len(words), 4)}
    tight = [kind for kind in ("normal", "pubsub") if 0 < hard_limits[kind] < _LEAST_BUFFER[kind]]
    for kind in tight:
        yield warning(
            f"client-output-buffer-limit {kind} {hard_limits[kind]}",
            f"client-output-buffer-limit {kind} {_LEAST_BUFFER[kind]} or more, or 0",
        )
    if (all_clients := seen.setting("maxmemory-clients")) != "0":
        yield note(f"maxmemory-clients {all_clients}: clients with the greatest buffers are disconnected there")
    elif not tight:
        yield ok("no buffer is limited tightly")


_LEAST_BUFFER = {"normal": SMALL, "pubsub": 2**20}
"""Bytes: a reply holds a whole run; wake-ups are empty messages, of which a slow reader may have some thousands."""


def _scripts(seen: Observations) -> Iterator[Verdict]:
    cached = seen.number("number_of_cached_scripts")
    found = f"{cached} scripts are cached, in {size(seen.number('used_memory_scripts'))}"
    if cached > MANY_SCRIPTS:
        yield warning(found, "find the client that sends EVAL with ever new texts, and then SCRIPT FLUSH")
    else:
        yield ok(found)
    threshold = int(seen.setting("busy-reply-threshold"))
    if threshold <= 0:
        yield warning(f"busy-reply-threshold {threshold}", "busy-reply-threshold 5000")


_OF_BACKUPS = "backup/"
_SHORTER_SCRIPTS = {
    True: "make backups, restores and moves when little else is done",
    False: "prune events; split runs of thousands of steps",
}
"""What shortens scripts: those of backups, and all others."""


def _slow_scripts(seen: Observations) -> Iterator[Verdict]:
    slow = answered(seen.slow)
    for entry in slow:
        found = f"{entry.script} took up to {milliseconds(entry.longest)} ({entry.times} times in the slow log)"
        change = f"{_SHORTER_SCRIPTS[entry.script.startswith(_OF_BACKUPS)]}; see SLOWLOG GET for what else ran then"
        yield warning(found, change) if entry.longest >= SLOW_SCRIPT else note(found)
    if not slow:
        yield ok("no script of redis_mob is in the slow log")


def _latency(seen: Observations) -> Iterator[Verdict]:
    usual = median(answered(seen.pings))
    found = f"a ping takes {milliseconds(usual)}"
    if usual > SLOW_PING:
        yield warning(found, "workers nearer to the server; see LATENCY DOCTOR")
    else:
        yield ok(found)


def _clock(seen: Observations) -> Iterator[Verdict]:
    ahead = answered(seen.ahead)
    found = f"its clock is {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) > CLOCK_APART:
        yield warning(found, "NTP on both machines")
    else:
        yield ok(found)


def _filled(part: float, found: str, change: str) -> Verdict:
    if part >= ALMOST_FULL:
        return error(found, change)
    return warning(found, change) if part >= NEARLY_FULL else ok(found)


CAPACITY_CHECKS = (
    Check("memory", "A full server refuses writes with OOM; one that fills its machine is killed.", _memory),
    Check("fragmentation", "Memory that is lost or swapped out makes the server slow or ends it.", _fragmentation),
    Check(
        "connections", "Further connections are refused; each storage has two, with a durability three.", _connections
    ),
    Check("idle connections", "A connection that is closed or dead is only noticed when it is needed.", _idle),
    Check("buffers", "A client over its limit is disconnected, and its calls under way are sent again.", _buffers),
    Check(
        "scripts",
        "Cached scripts take memory that maxmemory does not give back; without BUSY replies clients hang silently.",
        _scripts,
    ),
    Check("slow scripts", "While a script runs, all other clients of the server wait.", _slow_scripts),
    Check("latency", "Every transition of a run waits for the server at least once.", _latency),
    Check(
        "clock",
        "Leases, deadlines and timestamps are by the server's clock alone; times of yours do not fit to them.",
        _clock,
    ),
)
