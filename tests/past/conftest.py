"""Storages on the namespace of the test, on the shared server and in memory."""

from __future__ import annotations

from tests.support.storages import other_storage as other_storage
from tests.support.storages import pytest_generate_tests as pytest_generate_tests
from tests.support.storages import storage as storage
from tests.support.storages import url as url
