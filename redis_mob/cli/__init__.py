"""The command `redis-mob`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command with the arguments of this process."""
    gc.disable()  # what is imported stays; to look for garbage meanwhile takes a tenth of the time
    # Imported late: worker processes share this package, and start faster without the command line and its drawing.
    from redis_mob.cli.app import run_command

    run_command()
