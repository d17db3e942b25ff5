"""What operators do with a fleet from outside: they need a storage, and none of the fleet's code."""

from __future__ import annotations
