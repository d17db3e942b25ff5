"""Makes the documentation site of what is in docs/, README.md and the docstrings: `make site` (decision 0066)."""

REPOSITORY = "https://github.com/redis-mob/redis-mob"

SITE = "https://redis-mob.github.io/redis-mob"
"""Where the site is published: a folder for each version, and `latest`."""
