"""The adapter in Rust ships the scripts of this release."""

from __future__ import annotations

from examples.rust_host_store.write_scripts import SCRIPTS, texts


def test_the_scripts_that_the_adapter_ships_are_those_of_this_release() -> None:
    shipped = {file: file.read_bytes() for file in SCRIPTS.iterdir()}
    assert shipped == texts(), "run `python -m examples.rust_host_store.write_scripts`"
