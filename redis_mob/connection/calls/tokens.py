"""Tokens of writes whose outcome is unknown: they identify a call, and are the right to ask what became of it.

A token carries a message authentication code under a random key of its namespace. Asking leaves a receipt in the
session of the client that wrote (decision 0015): a made-up token could fence writes that this client is still to make.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex

from redis_mob.errors import ValidationError, shown

_TOKEN = re.compile(r"([0-9a-f]{32}):([0-9]{1,6}):([0-9]{1,15}):([0-9a-f]{32})")
_CODE_DIGITS = 32
"""Hexadecimal digits of the code: 128 bits, which cannot be guessed and keep the token short."""


@dataclass(frozen=True, slots=True)
class CallNumber:
    """What identifies a call for ever: its client, the slot it was in, and its sequence number there."""

    client: str
    slot: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.client}:{self.slot}:{self.sequence}"


class TokenKey:
    """The key of a namespace, with which all its storages issue and check tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> TokenKey:
        """A new random key."""
        return cls(token_hex(32).encode())

    @property
    def stored(self) -> bytes:
        """The key as the namespace keeps it."""
        return self._key

    def issue(self, call: CallNumber) -> str:
        """The token of a call."""
        return f"{call}:{self._code(call)}"

    def read(self, token: str) -> CallNumber:
        """The call that a token is of; raises ValidationError for one that no storage of the namespace has issued."""
        # a caller may pass anything, and re complains of anything but text
        match = _TOKEN.fullmatch(token) if isinstance(token, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if match is not None:
            call = CallNumber(match[1], int(match[2]), int(match[3]))
            # compare_digest takes the same time for every wrong code, so that none can be found out digit by digit
            if hmac.compare_digest(self.issue(call), token):
                return call
        raise ValidationError(
            f"{shown(token)} is no token of a write in this namespace: pass on the token of an OutcomeUnknownError"
        )

    def _code(self, call: CallNumber) -> str:
        return hmac.new(self._key, str(call).encode(), sha256).hexdigest()[:_CODE_DIGITS]
