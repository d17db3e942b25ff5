"""One payload as it is stored, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.codec.payloads import payload
from redis_mob.errors import SealKeyMissingError, SerializationError
from redis_mob.payloads.coding import MAGIC, BlobName, PayloadCoder
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring

KEY, OTHER = SealKey("first", b"\x01" * 32), SealKey("second", b"\x02" * 32)
RING = SealKeyring(KEY)
RUN = "0e3b7a52-9e0c-4b8e-8f5a-0d8f4c6a2b11"

FORMS = [
    PayloadSettings(compress=False),
    PayloadSettings(),
    PayloadSettings(compress=False, seal=True),
    PayloadSettings(seal=True),
]


def coder(settings: PayloadSettings, ring: SealKeyring | None = RING, namespace: str = "default") -> PayloadCoder:
    return PayloadCoder(settings, namespace, ring)


@pytest.mark.parametrize("settings", FORMS)
@given(text=st.binary(min_size=1, max_size=600), clear=st.integers(0, 20))
def test_payload_1_what_is_read_is_what_was_coded(settings: PayloadSettings, text: bytes, clear: int) -> None:
    given, codes = payload(text, clear=min(clear, len(text))), coder(settings)
    if MAGIC in text[: given.clear]:
        return
    stored = codes.coded(given)
    assert stored.startswith(text[: given.clear] + MAGIC)
    assert codes.read(stored) == text
    assert codes.read(b"12:" + stored) == b"12:" + text
    # all forms are read, also where another one is written now
    assert coder(PayloadSettings(compress=False)).read(stored) == text


def test_payload_1_a_text_is_coded_in_place_of_what_was_deflated() -> None:
    assert (
        coder(PayloadSettings()).read(coder(PayloadSettings()).coded(payload(b"\x01deflated", b"the text")))
        == b"the text"
    )


def test_payload_1_long_texts_are_shorter() -> None:
    given = payload(b'{"a":"' + b"word " * 400 + b'"}')
    assert len(coder(PayloadSettings()).coded(given)) < 100
    assert len(coder(PayloadSettings(seal=True)).coded(given)) < 150


def test_payload_1_what_stands_for_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"a" * 100_000
    stored = coder(PayloadSettings()).coded(payload(text))
    assert coder(PayloadSettings()).read(stored) == text
    monkeypatch.setattr("redis_mob.payloads.coding.MOST_BYTES", 99_999)
    with pytest.raises(SerializationError, match="a compressed payload is damaged: it stands for 100,000 bytes"):
        coder(PayloadSettings()).read(stored)
    assert text in coder(PayloadSettings()).coded(payload(text)), "what could not be read again is not compressed"


def test_payload_1_a_beginning_that_announces_terabytes_makes_no_room() -> None:
    announced = bytes.fromhex("28b52ffde0") + (2**42).to_bytes(8, "little")
    stored = coder(PayloadSettings()).coded(payload(b"a" * 1_000))
    begin = stored.index(MAGIC) + len(MAGIC) + 1
    with pytest.raises(SerializationError, match="it stands for 4,398,046,511,104 bytes"):
        coder(PayloadSettings()).read(stored[:begin] + announced)


@pytest.mark.parametrize("settings", FORMS)
def test_payload_3_equal_payloads_have_equal_bytes_and_others_have_not(settings: PayloadSettings) -> None:
    one, same, other = (coder(settings).coded(payload(text * 100)) for text in (b"ab", b"ab", b"ac"))
    assert one == same != other


def test_payload_3_nothing_of_what_is_sealed_can_be_read() -> None:
    stored = coder(PayloadSettings(compress=False, seal=True)).coded(payload(b"the secret plan"))
    assert b"secret" not in stored
    assert b"first" in stored


@given(st.data())
def test_payload_3_what_was_changed_does_not_open(data: st.DataObject) -> None:
    stored = bytearray(coder(PayloadSettings(seal=True)).coded(payload(b"the secret plan" * 20)))
    place = data.draw(st.integers(len(MAGIC), len(stored) - 1))
    stored[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((SerializationError, SealKeyMissingError)):
        assert coder(PayloadSettings()).read(bytes(stored)) != b"the secret plan" * 20
        raise SerializationError("it is read as something else")


@pytest.mark.parametrize("settings", FORMS[2:])
def test_payload_3_what_was_cut_short_does_not_open(settings: PayloadSettings) -> None:
    stored = coder(settings).coded(payload(b"the secret plan" * 20))
    for length in range(len(MAGIC), len(stored)):
        with pytest.raises((SerializationError, SealKeyMissingError)):
            coder(settings).read(stored[:length])


def test_payload_3_another_namespace_has_other_keys() -> None:
    stored = coder(PayloadSettings(seal=True)).coded(payload(b"plan"))
    with pytest.raises(SerializationError, match=re.escape("sealed with key 'first' does not open")):
        coder(PayloadSettings(seal=True), namespace="other").read(stored)


def test_payload_3_a_key_that_is_not_there_is_named() -> None:
    stored = coder(PayloadSettings(seal=True)).coded(payload(b"plan"))
    for ring in (None, SealKeyring(OTHER)):
        with pytest.raises(SealKeyMissingError, match=r"'first'.* --seal-keys FILE .*MobStorage\.open"):
            coder(PayloadSettings(), ring).read(stored)


def test_payload_3_the_newest_key_seals_and_all_open() -> None:
    before = coder(PayloadSettings(seal=True)).coded(payload(b"plan"))
    both = coder(PayloadSettings(seal=True), SealKeyring(OTHER, KEY))
    after = both.coded(payload(b"plan"))
    assert before != after
    assert both.read(before) == both.read(after) == b"plan"
    with pytest.raises(SealKeyMissingError, match="second"):
        coder(PayloadSettings(seal=True)).read(after)


def test_payload_1_a_form_of_a_later_release_is_told() -> None:
    with pytest.raises(SerializationError, match="unknown form 8: a later release wrote it"):
        coder(PayloadSettings()).read(MAGIC + b"\x08rest")


def test_payload_4_a_reference_names_run_and_blob() -> None:
    given, codes = payload(b"0:" + b"x" * 5000, clear=2), coder(PayloadSettings(compress=False, blobs="file:///b"))
    coded = codes.coded(given)
    stored, name, blob = codes.reference(RUN, given, coded)
    assert stored.startswith(b"0:" + MAGIC)
    assert codes.blob_in(stored) == BlobName(RUN, name, len(blob))
    assert codes.read(stored, {BlobName(RUN, name, len(blob)): blob}) == given


@pytest.mark.parametrize("run_id", ["../../../../../../../etc/passwd/x/x/x", "0E3B7A52-9e0c-4b8e-8f5a-0d8f4c6a2b11"])
def test_payload_4_a_reference_leads_to_no_other_place(run_id: str) -> None:
    given, codes = payload(b"x" * 5000), coder(PayloadSettings(blobs="file:///b"))
    stored, _, _ = codes.reference(run_id[:36], given, codes.coded(given))
    with pytest.raises(SerializationError, match="its reference to a blob cannot be read"):
        codes.blob_in(stored)
