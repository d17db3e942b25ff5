"""Runs as they were: folds of the log and of what is stored, and views that read through them."""
