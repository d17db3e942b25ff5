"""What goes to standard output holds nothing that a terminal would obey, and JSON still means the same."""

from __future__ import annotations

import json

import pytest

from redis_mob.cli.endings import print_line
from redis_mob.cli.printing import write
from redis_mob.models.base import json_text

OBEYED = "a\x9b31m\x7f\x85 b\u2028\u2029 c\u202e\u2066 d"


def test_json_is_printed_without_what_a_terminal_obeys(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """contract: operations-23. A control sequence may begin with one character of the upper control set."""
    print_line(json_text({"text": OBEYED}))
    assert write(json_text([OBEYED]))
    printed = capfdbinary.readouterr().out.decode()
    assert not set(printed) & set("\x9b\x7f\x85\u2028\u2029\u202e\u2066")
    line, rest = printed.split("\n")
    assert (json.loads(line), json.loads(rest)) == ({"text": OBEYED}, [OBEYED])
    assert len(printed.splitlines()) == 2, "one object a line"
