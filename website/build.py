"""Builds the site: `python -m website.build`, which `make site` calls.

--out build/site   where it goes: a folder for this version, and what all versions share
--links            ask each external link whether it is there, in the place of building
--source DIR       where the sources are staged, and Sphinx keeps what it has read
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from redis_mob.version import __version__
from website import llms, versions
from website.navigation import ROOT, NavigationError
from website.staging import stage


def main() -> int:
    """Build, and say where it is. A warning is an error."""
    options = _options()
    source, kept = options.source / "pages", options.source / "doctrees"
    try:
        navigation = stage(source)
    except NavigationError as error:
        print(error, file=sys.stderr)
        return 1
    builder, target = ("linkcheck", options.source / "links") if options.links else ("html", options.out / __version__)
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-c", str(ROOT / "website"), "-d", str(kept)]
    command += ["-q", "-n", "-W", "-j", "auto", str(source), str(target)]
    ended = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - this very Python
    if ended.returncode or options.links:
        return ended.returncode
    llms.write(target, navigation)
    versions.publish(options.out)
    print(f"{target}/index.html")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m website.build", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, default=ROOT / "build" / "site-source", help=argparse.SUPPRESS)
    parser.add_argument("--links", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
