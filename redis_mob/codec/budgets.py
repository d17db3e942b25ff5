"""Accounts of budgets as bytes, and what calls have put aside; lua/lib/budgets reads the same.

An account is a line of words: bounds, used, reserved, estimated, each of four kinds, unpriced tokens, the first letter
of what becomes of a call that is refused, and the currency; '-' stands for none. One with a window has beside how long
that is, since when it is, what was used in the one before it, of four kinds, and in which one a call was refused. Those
of a run stand in its index, which goes with it in every release; those of shared budgets in a hash of the namespace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from redis_mob.codec.arguments import flag, instance, integer, listed, optional_instance, optional_text, text
from redis_mob.codec.executions import checked_key
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.models.base import canonical_run_id
from redis_mob.models.budget import (
    CURRENCY,
    MOST,
    MOST_BYTES_OF_KEY,
    Account,
    Amounts,
    Bounds,
    BudgetScope,
    OnExceeded,
    Reservation,
    Settlement,
    Window,
)
from redis_mob.models.execution_key import ExecutionKey
from redis_mob.models.model_usage import UsedBy

_OF_RUN = b"b"
"""What the fields of accounts begin with in the index of a run."""

_LOST = (b"c", b"x")
"""What the record of a lost call begins with: c if it counts in the total of its model."""

_NONE = b"-"
_CURRENCY = re.compile(CURRENCY)
_KINDS = len(Bounds._fields)
_WORDS = 4 * _KINDS + 3
_WORDS_OF_WINDOW = _KINDS + 3
_LETTERS = {OnExceeded.PAUSE: b"p", OnExceeded.FAIL: b"f"}
_POLICIES = {letter: policy for policy, letter in _LETTERS.items()}


def account_field(scope: BudgetScope) -> bytes:
    """The field of an account. Raises ValidationError for what is none, InternalError for what is no UTF-8."""
    checked = instance("scope", scope, BudgetScope)
    if checked.run_id is not None:
        return _OF_RUN + ("" if checked.role is None else text("role", checked.role)).encode()
    mob, name, key = text("mob_id", checked.mob_id), text("name", checked.name), text("key", checked.key)
    if len(key.encode(errors="replace")) > MOST_BYTES_OF_KEY:
        raise ValidationError(f"the key of a budget may have {MOST_BYTES_OF_KEY:,} bytes, and not as {shown(key)}")
    return pack((mob, name, key))


def shared_scope(field: bytes) -> BudgetScope:
    """The shared budget of a field, and its key. Raises SerializationError."""
    try:
        return BudgetScope.shared(*unpack(field))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"a budget cannot be read: {error}") from error


def encode_account(account: Account) -> bytes:
    """The record of an account. Raises ValidationError for what is none, or counts what cannot be counted."""
    checked = instance("account", account, Account)
    words = [
        *bounds_of(checked.bounds),
        *_words_in("used", checked.used),
        *_words_in("reserved", checked.reserved),
        *_words_in("estimated", checked.estimated),
        _number(checked.unpriced_tokens),
        letter_of(checked.on_exceeded),
        encode_currency(checked.currency),
        *_words_of(checked.window),
    ]
    return b" ".join(words) + b"\n"


def decode_account(scope: BudgetScope, record: bytes) -> Account:
    """The account of a record. Raises SerializationError that names whose it is."""
    words = record.removesuffix(b"\n").split(b" ")
    try:
        if len(words) not in (_WORDS, _WORDS + _WORDS_OF_WINDOW) or not record.endswith(b"\n"):
            raise ValueError("it was cut short")
        words, of_window = words[:_WORDS], words[_WORDS:]
        numbers = [None if word == _NONE else int(word) for word in words[: 4 * _KINDS + 1]]
        amounts = [Amounts(*(number or 0 for number in numbers[at : at + _KINDS])) for at in _STARTS]
        return Account.unchecked(
            bounds=Bounds(*numbers[:_KINDS]),
            used=amounts[0],
            reserved=amounts[1],
            estimated=amounts[2],
            unpriced_tokens=numbers[-1] or 0,
            on_exceeded=_POLICIES[words[-2]],
            currency=None if words[-1] == _NONE else words[-1].decode(),
            window=_window(of_window) if of_window else None,
        )
    except (ValueError, KeyError) as error:
        raise SerializationError(f"{scope} cannot be read: {error}") from error


_STARTS = (_KINDS, 2 * _KINDS, 3 * _KINDS)


def _words_of(window: Window | None) -> list[bytes]:
    window = optional_instance("window", window, Window)
    if window is None:
        return []
    refused = _NONE if window.refused_ms is None else _number(window.refused_ms)
    return [_number(window.per_ms), _number(window.since_ms), *_words_in("before", window.before), refused]


def _words_in(name: str, amounts: Amounts) -> list[bytes]:
    return [b"%d" % number for number in numbers_of(name, amounts)]


def _window(words: Sequence[bytes]) -> Window:
    per_ms, since_ms, *before = map(int, words[:-1])
    return Window(per_ms, since_ms, Amounts(*before), None if words[-1] == _NONE else int(words[-1]))


def encode_currency(currency: str | None) -> bytes:
    """A currency as a word. Raises ValidationError for what is none."""
    if currency is None:
        return _NONE
    checked = text("currency", currency)
    if _CURRENCY.fullmatch(checked) is None:
        raise ValidationError(f"currency must be one to twelve letters, as USD, not {shown(currency)}")
    return checked.encode()


def numbers_of(name: str, amounts: Amounts) -> list[int]:
    """Amounts as arguments of a script. Raises ValidationError for what is none."""
    return [_checked(name, one) for one in instance(name, amounts, Amounts)]


def bounds_of(bounds: Bounds) -> list[bytes]:
    """Bounds as words. Raises ValidationError for what is none."""
    return [_NONE if most is None else _number(most) for most in instance("bounds", bounds, Bounds)]


def letter_of(policy: OnExceeded) -> bytes:
    """What becomes of calls that are refused, as a word."""
    return _LETTERS[instance("on_exceeded", policy, OnExceeded)]


def reservation_field(call: Reservation) -> bytes:
    """What a reservation is found by. Raises ValidationError for what is none."""
    checked = instance("call", call, Reservation)
    run_id = canonical_run_id(text("run_id", checked.run_id))
    token = integer("fencing_token", checked.fencing_token, least=0)
    return pack((run_id, *checked_key(checked.key), token, integer("number", checked.number, least=0)))


def encode_scopes(call: Reservation) -> bytes:
    """Model and currency of a reservation, and whose accounts it draws on, as they stand behind what is put aside."""
    encode_currency(call.currency)
    return pack([optional_text("model", call.model), call.currency, *(tuple(scope) for scope in call.scopes)])


def encode_reservation(call: Reservation) -> bytes:
    """The record of a reservation: what is put aside, when that was done, and whose accounts it draws on."""
    numbers = [*numbers_of("estimate", call.estimate), _checked("at_ms", call.at_ms)]
    lost = b"" if call.lost_ms is None else b"x%d " % call.lost_ms
    return lost + b" ".join(b"%d" % number for number in numbers) + b" " + encode_scopes(call)


def decode_reservation(field: bytes, record: bytes) -> Reservation:
    """A reservation as it was made; what it spent from the beginning is not kept. Raises SerializationError."""
    try:
        run_id, frame_id, node_id, target, token, number = unpack(field)
        lost, record = record.split(b" ", 1) if record[:1] in _LOST else (b"", record)
        *aside, at_ms, packed = record.split(b" ", _KINDS + 1)
        model, currency, *scopes = unpack(packed)
        return Reservation(
            run_id,
            ExecutionKey(frame_id, node_id, target),
            token,
            number,
            Amounts(),
            Amounts(*map(int, aside)),
            tuple(BudgetScope(*one) for one in scopes),
            currency,
            at_ms=int(at_ms),
            model=model,
            lost_ms=int(lost[1:]) if lost else None,
        )
    except UNPACK_ERRORS as error:
        raise SerializationError(f"what a call has put aside of a budget cannot be read: {error}") from error


def checked_settlement(settlement: Settlement, is_lost: bool) -> Settlement:
    """The same. Raises ValidationError for what is none, and for one of a lost call that tells something."""
    checked = instance("settlement", settlement, Settlement)
    numbers_of("used", checked.used)
    _checked("unpriced_tokens", checked.unpriced_tokens)
    encode_currency(checked.currency)
    if flag("is_lost", is_lost) and not checked.is_estimated:
        raise ValidationError("is_lost is for a call that tells nothing: then its settlement is_estimated")
    return checked


def settlement_of_lost(call: Reservation, by: UsedBy | None) -> Settlement:
    """How a call counts of which is known no more than what it had put aside, of the same flow as it tells later."""
    counted = None if by is None else UsedBy(by.mob_id, by.flow_id, call.model)
    return Settlement(call.estimate, is_estimated=True, currency=call.currency, by=counted)


def checked_scopes(scopes: Sequence[BudgetScope]) -> list[BudgetScope]:
    """The same, each of a run that has an id. Raises ValidationError."""
    checked = [instance("scope", scope, BudgetScope) for scope in listed("scopes", scopes)]
    for scope in checked:
        account_field(scope)
    return checked


def declared_of(scope: BudgetScope, declared: Mapping[BudgetScope, Account]) -> Account:
    """The account of a scope before anything was used. Raises ValidationError if there is none."""
    if scope not in instance("declared", declared, Mapping):
        raise ValidationError(f"declared must have an account for each scope of the call, and has none for {scope}")
    return instance("account", declared[scope], Account)


def decode_shared(stored: Mapping[bytes, bytes]) -> dict[BudgetScope, Account]:
    """The accounts of shared budgets, by mob, name and key. Raises SerializationError."""
    found = {
        scope: decode_account(scope, record) for field, record in stored.items() for scope in (shared_scope(field),)
    }
    return dict(sorted(found.items(), key=lambda one: (one[0].mob_id, one[0].name, one[0].key)))


def shared_field(scope: BudgetScope) -> bytes:
    """The field of the account of a shared budget. Raises ValidationError for that of a run."""
    if instance("scope", scope, BudgetScope).run_id is not None:
        raise ValidationError(f"{scope} goes with its run; only that of a shared budget can be forgotten")
    return account_field(scope)


def message_of(place: str, scope: BudgetScope) -> bytes:
    """What calls are woken by that wait for room in an account in the hash `place`; lua/lib/budgets has the same."""
    return place.encode() + b" " + account_field(scope)


def is_drawn_on(scope: BudgetScope) -> str:
    """Why an account cannot be forgotten."""
    return f"{scope} cannot be forgotten while calls draw on it: wait until they have ended"


def _number(value: Any) -> bytes:
    return b"%d" % _checked("number", value)


def _checked(name: str, value: Any) -> int:
    if (checked := integer(name, value, least=0)) > MOST:
        raise ValidationError(f"{name} must be from 0 to {MOST:,}, not {shown(value)}")
    return checked
