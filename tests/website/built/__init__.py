"""Tests of the site as it was built: `make test-site` builds it, and says in REDIS_MOB_SITE where it is."""
