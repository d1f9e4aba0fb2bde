"""The services and pictures of the captioning tests."""

from __future__ import annotations

from tests.pipelines.captioning.conftest import namers, paint, services  # noqa: F401 (fixtures)
