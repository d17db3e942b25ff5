"""Webhooks: the store, the delivery, and what receivers get."""
