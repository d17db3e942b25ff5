"""Tests of what makes the documentation site."""
