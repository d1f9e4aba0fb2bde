"""Services over the tiny checkpoints of the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.clip_scorer import ClipScorer
from pipelines.services import Services
from tests.models.conftest import hub, hub_pool  # noqa: F401 (fixtures)


@pytest.fixture
def hub_services(hub_pool: Callable[..., Any]) -> Callable[..., Services]:  # noqa: F811
    """`hub_services(**changes of settings)`"""

    def make(**changes: Any) -> Services:
        pool = hub_pool(**changes)
        return Services(pool.settings, pool.catalog, pool, ClipScorer(pool))

    return make


@pytest.fixture
def services(hub_services: Callable[..., Services]) -> Services:
    return hub_services()
