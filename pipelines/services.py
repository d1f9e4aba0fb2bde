"""What every pipeline is handed: the settings and the parts that all runs share."""

from __future__ import annotations

from dataclasses import dataclass

from common.settings import Settings
from models.catalog import Catalog
from models.clip_scorer import ClipScorer
from models.devices import find_devices
from models.pool import ModelPool


@dataclass(frozen=True)
class Services:
    """Made once when the app starts; a run adds no state to it but what the pool and the scorer cache."""

    settings: Settings
    catalog: Catalog
    pool: ModelPool
    scorer: ClipScorer


def build_services(settings: Settings) -> Services:
    """The services for these settings; loads no model. Raises BadRequest when the device they name is not there."""
    catalog = Catalog.scan(settings)
    pool = ModelPool(catalog, settings, find_devices(settings))
    return Services(settings, catalog, pool, ClipScorer(pool))
