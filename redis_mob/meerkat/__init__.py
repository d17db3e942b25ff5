"""Data of meerkat's own stores: its SQLite database read into a namespace, and written from one."""
