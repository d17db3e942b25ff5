"""Webhooks: events that workers post to URLs, signed, at least once, and in order for each run."""
