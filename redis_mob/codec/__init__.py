"""Canonical encoding of models: field groups, digests, ledger rows, events. No I/O here."""
