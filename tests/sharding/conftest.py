"""Storages on the shared server and in memory."""

from __future__ import annotations

from tests.support.storages import pytest_generate_tests as pytest_generate_tests
from tests.support.storages import storage as storage
from tests.support.storages import url as url
