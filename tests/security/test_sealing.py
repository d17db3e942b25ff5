"""Sealed records: they open for whom and where they were sealed, and nowhere else; no text shows a key."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import (
    InternalError,
    SealKeyMissingError,
    SerializationError,
    UnsealedSecretsWarning,
    ValidationError,
)
from redis_mob.security.sealing import SealKey, SealKeyring, Unsealed, is_sealed

OLD = SealKey("2025", bytes(range(32)))
NEW = SealKey("2026-a", bytes(range(32, 64)))
SECRET = b'{"secret_key":"hush-hush"}'
MOB, KIND = "mob-1", "supervisor authority"

names = st.text(max_size=20)
keys = st.builds(SealKey, st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True), st.binary(min_size=32, max_size=32))


@given(keys, names, names, st.binary(max_size=200))
def test_what_was_sealed_opens(key: SealKey, mob: str, kind: str, plaintext: bytes) -> None:
    stored = SealKeyring(key).seal(mob, kind, plaintext)
    assert SealKeyring(key).open(mob, kind, stored) == plaintext
    assert is_sealed(stored)
    assert len(plaintext) < 4 or plaintext not in stored


@given(names, names, names, names)
def test_a_record_opens_only_in_its_place(mob: str, kind: str, other_mob: str, other_kind: str) -> None:
    ring = SealKeyring(NEW)
    stored = ring.seal(mob, kind, SECRET)
    if (mob, kind) == (other_mob, other_kind):
        assert ring.open(other_mob, other_kind, stored) == SECRET
    else:
        with pytest.raises(SerializationError):
            ring.open(other_mob, other_kind, stored)


@pytest.mark.parametrize(
    "place", [("mob-2", KIND), (MOB, "overlay"), ("mob-1supervisor", " authority"), ("", MOB + KIND)]
)
def test_a_moved_record_is_refused_by_name(place: tuple[str, str]) -> None:
    ring = SealKeyring(NEW)
    with pytest.raises(SerializationError) as refused:
        ring.open(*place, ring.seal(MOB, KIND, SECRET))
    assert f"{place[1]} of mob {place[0]!r} does not open with seal key '2026-a'" in str(refused.value)


def test_equal_secrets_are_stored_differently() -> None:
    ring = SealKeyring(NEW)
    assert len({ring.seal(MOB, KIND, SECRET) for _ in range(100)}) == 100


@pytest.mark.parametrize("bit", range(8))
def test_a_change_of_any_bit_is_refused(bit: int) -> None:
    ring = SealKeyring(NEW, OLD)
    stored = ring.seal(MOB, KIND, SECRET)
    for position in range(len(stored)):
        changed = bytearray(stored)
        changed[position] ^= 1 << bit
        with pytest.raises((SerializationError, SealKeyMissingError)):
            ring.open(MOB, KIND, bytes(changed))


def test_a_record_that_is_cut_or_extended_is_refused() -> None:
    ring = SealKeyring(NEW)
    stored = ring.seal(MOB, KIND, SECRET)
    for changed in (*(stored[:length] for length in range(len(stored))), stored + b"\0"):
        with pytest.raises(SerializationError, match="of mob 'mob-1'"):
            ring.open(MOB, KIND, changed)


def test_a_record_cannot_be_passed_off_as_sealed_with_another_key() -> None:
    same_bytes = SealKey("2026-b", NEW.secret)
    stored = SealKeyring(NEW).seal(MOB, KIND, SECRET)
    with pytest.raises(SerializationError):
        SealKeyring(same_bytes).open(MOB, KIND, stored.replace(b"2026-a", b"2026-b"))


def test_a_record_of_a_newer_version_is_refused_as_such() -> None:
    stored = bytearray(SealKeyring(NEW).seal(MOB, KIND, SECRET))
    stored[4] = 2
    with pytest.raises(SerializationError, match="sealed in version 2, and this redis_mob reads 1"):
        SealKeyring(NEW).open(MOB, KIND, bytes(stored))


def test_a_record_in_clear_is_refused_where_there_is_a_key() -> None:
    with pytest.raises(SerializationError, match="in clear"):
        SealKeyring(NEW).open(MOB, KIND, SECRET)


@pytest.mark.parametrize("secrets", [SealKeyring(OLD), Unsealed()], ids=repr)
def test_the_key_that_is_missing_is_named(secrets: SealKeyring | Unsealed) -> None:
    stored = SealKeyring(NEW).seal(MOB, KIND, SECRET)
    with pytest.raises(SealKeyMissingError, match="'2026-a'") as missing:
        secrets.open(MOB, KIND, stored)
    assert (missing.value.key_id, missing.value.key_ids) == ("2026-a", ("2026-a",))


def test_another_key_of_the_same_id_does_not_open() -> None:
    stored = SealKeyring(NEW).seal(MOB, KIND, SECRET)
    with pytest.raises(SerializationError, match="another key of that id"):
        SealKeyring(SealKey(NEW.id, OLD.secret)).open(MOB, KIND, stored)


def test_a_ring_opens_with_all_keys_and_seals_with_the_newest() -> None:
    ring = SealKeyring(NEW, OLD)
    old = SealKeyring(OLD).seal(MOB, KIND, SECRET)
    assert ring.open(MOB, KIND, old) == SECRET
    new = ring.seal(MOB, KIND, SECRET)
    assert SealKeyring(NEW).open(MOB, KIND, new) == SECRET
    assert (ring.newest_id, ring.ids) == ("2026-a", ("2026-a", "2025"))
    assert [ring.needs_resealing(stored) for stored in (old, new, SECRET, b"")] == [True, False, True, True]


@pytest.mark.parametrize(("newest", "older"), [("k1", "k"), ("k", "k1")])
def test_an_id_that_starts_like_another_is_another(newest: str, older: str) -> None:
    stored = SealKeyring(SealKey(older, OLD.secret)).seal(MOB, KIND, SECRET)
    assert SealKeyring(SealKey(newest, NEW.secret)).needs_resealing(stored)


def test_two_keys_of_one_ring_differ_in_their_ids() -> None:
    with pytest.raises(ValidationError, match="different ids"):
        SealKeyring(NEW, OLD, SealKey(OLD.id, NEW.secret))


def test_without_a_key_secrets_stay_in_clear_with_one_warning() -> None:
    clear = Unsealed()
    with pytest.warns(UnsealedSecretsWarning, match="pass a seal_key") as given:
        assert clear.seal(MOB, KIND, SECRET) == SECRET
        assert clear.seal(MOB, KIND, SECRET) == SECRET
    assert len(given) == 1
    assert clear.open(MOB, KIND, SECRET) == SECRET
    assert not clear.needs_resealing(SECRET)


def test_what_looks_sealed_is_not_stored_in_clear() -> None:
    with warnings.catch_warnings(), pytest.raises(InternalError, match="starts like a sealed record"):
        warnings.simplefilter("error")
        Unsealed().seal(MOB, KIND, SealKeyring(NEW).seal(MOB, KIND, SECRET))


@given(keys)
def test_a_key_comes_back_from_its_text(key: SealKey) -> None:
    assert SealKey.from_text(key.to_text()) == key
    assert SealKey.from_text(f"  {key.to_text()}\n") == key


def test_generated_keys_differ() -> None:
    made = [SealKey.generate() for _ in range(50)]
    assert len({key.secret for key in made}) == len({key.id for key in made}) == 50
    assert SealKey.generate("2027").id == "2027"


BAD_TEXTS = {
    "empty": "",
    "id_alone": "2026",
    "no_id": ":" + NEW.to_text().partition(":")[2],
    "bad_id": "20 26:" + NEW.to_text().partition(":")[2],
    "short": NEW.to_text()[:-4],
    "not_base64": NEW.to_text()[:-3] + "!!=",
    "no_ascii": NEW.to_text()[:-3] + "éé=",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_bad_text_of_a_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValidationError, match="url-safe base64") as refused:
        SealKey.from_text(text)
    assert NEW.to_text()[7:20] not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("id", "secret"),
    [
        ("", NEW.secret),
        ("a" * 65, NEW.secret),
        ("a:b", NEW.secret),
        ("é", NEW.secret),
        (7, NEW.secret),
        ("a\n", NEW.secret),
    ],
)
def test_a_bad_id_is_refused(id: str, secret: bytes) -> None:
    with pytest.raises(ValidationError, match="the id of a seal key"):
        SealKey(id, secret)


@pytest.mark.parametrize("secret", [b"", b"hush-hush", bytes(31), bytes(33), "hush-hush-hush-hush-hush-hush-32", None])
def test_a_bad_secret_is_refused_without_showing_it(secret: bytes) -> None:
    with pytest.raises(ValidationError, match="seal key 'k' must be 32 random bytes") as refused:
        SealKey("k", secret)
    assert "hush" not in str(refused.value)


def test_no_repr_and_no_error_shows_a_key_or_a_secret() -> None:
    key = SealKey("k", b"hush-hush-hush-hush-hush-hush-32")
    ring = SealKeyring(key)
    assert (repr(key), repr(SealKeyring(NEW, OLD))) == (
        "SealKey(id='k')",
        "SealKeyring(newest='2026-a', ids=['2026-a', '2025'])",
    )
    stored = ring.seal(MOB, KIND, SECRET)
    for secrets, place, record in (
        (ring, "elsewhere", stored),
        (ring, MOB, SECRET),
        (SealKeyring(NEW), MOB, stored),
        (Unsealed(), MOB, stored),
    ):
        with pytest.raises((SerializationError, SealKeyMissingError)) as refused:
            secrets.open(place, KIND, record)
        shown = "".join(traceback.format_exception(refused.value, chain=True)) + repr(refused.value)
        assert "hush-hush" not in shown


def test_the_stored_form_stays_readable() -> None:
    """A record sealed by an earlier build of version 1."""
    stored = bytes.fromhex(PINNED)
    assert SealKeyring(NEW).open(MOB, KIND, stored) == SECRET


PINNED = (
    "c1726d730106323032362d6192723b33be370b69e28cb0daecc2dab135fed54abdf4a7a039369052d4872adec3b7d27c2ffe"
    "f874e7c560348796d736000f9b940f9f"
)


@pytest.mark.parametrize("wrong", [None, 7, b"2025:AAAA", ["2025:AAAA"], OLD], ids=lambda wrong: type(wrong).__name__)
def test_the_text_of_keys_is_a_text(wrong: Any) -> None:
    for read in (SealKey.from_text, SealKeyring.from_text):
        with pytest.raises(ValidationError, match=f"must be a str, not a {type(wrong).__name__}") as refused:
            read(wrong)
        assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize("wrong", [None, 7, b"2025:AAAA", OLD.to_text(), [OLD], SealKeyring(OLD)], ids=lambda _: "")
def test_a_ring_is_made_of_keys(wrong: Any) -> None:
    for keys in ((wrong,), (OLD, wrong), (wrong, OLD)):
        with pytest.raises(ValidationError, match=f"made of SealKeys, not of a {type(wrong).__name__}") as refused:
            SealKeyring(*keys)
        assert refused.value.__cause__ is refused.value.__context__ is None
