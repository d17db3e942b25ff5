"""Runs one measurement of the page.

python -m bench.ui tabs [--tabs 50] [--seconds 20]
python -m bench.ui pixels
"""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = ("tabs", "pixels")


def main() -> None:
    """Run the measurement that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in MEASUREMENTS:
        raise SystemExit(f"usage: python -m bench.ui {'|'.join(MEASUREMENTS)} [options]")
    name = sys.argv.pop(1)
    import_module(f"bench.ui.{name}").main()


if __name__ == "__main__":
    main()
