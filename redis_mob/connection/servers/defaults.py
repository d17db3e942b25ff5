"""What counts where the caller gives nothing; imports nothing, since the help of the command shows it."""

from __future__ import annotations

URL_VARIABLE = "REDIS_MOB_URL"
"""The environment variable that names the storage."""

DEFAULT_URL = "embedded:"

DEFAULT_USER = "redis_mob"
"""The user of a server that the command makes rights for."""
