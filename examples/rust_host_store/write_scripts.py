"""Writes the scripts of the host store as the server gets them, for the adapter to ship; `--check` only compares.

python -m examples.rust_host_store.write_scripts [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from redis_mob.connection.calls.scripts import once, script

SCRIPTS = Path(__file__).parent / "scripts"
READS = ("load_head", "list_heads", "read_rows")
WRITES = ("acquire_fence", "renew_fence", "commit")


def texts() -> dict[Path, bytes]:
    """What each file has to hold. A script that writes runs in a session, which answers a repeated call."""
    named = {name: script(f"host/{name}") for name in READS} | {name: once(script(f"host/{name}")) for name in WRITES}
    return {SCRIPTS / f"{name}.lua": one.text.encode() for name, one in named.items()}


def main() -> None:
    """Write the files that differ, or name them and fail."""
    different = {file: text for file, text in texts().items() if not file.exists() or file.read_bytes() != text}
    if "--check" in sys.argv[1:]:
        if different:
            names = ", ".join(sorted(file.name for file in different))
            raise SystemExit(f"not those of this release: {names}; run this command without --check, and commit them")
        return
    SCRIPTS.mkdir(exist_ok=True)
    for file, text in different.items():
        file.write_bytes(text)


if __name__ == "__main__":
    main()
