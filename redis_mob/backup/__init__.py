"""Backups of one namespace: from a live server to one file, and from files to a namespace (decision 0059)."""
