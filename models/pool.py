"""Models in memory: loaded on first use, shared while used, dropped when another needs the room.

This is the only place that decides what is loaded where. Its lock guards the bookkeeping and is never held while a
model loads or closes: both take seconds, and both may use the pool for a part that models share.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from common.errors import BadRequest, OutOfMemory
from common.settings import Settings
from models import ahead
from models.catalog import Catalog
from models.devices import free_memory, memory_budget_mb, pick_precision
from models.residency import ModelStatus, Residency
from models.sources import require
from models.spec import LoadContext, ModelSpec

logger = logging.getLogger(__name__)


class ModelPool:
    """The models of `catalog` on `devices`, within the memory budget of `settings` on each of them."""

    def __init__(self, catalog: Catalog, settings: Settings, devices: Sequence[str] = ("cpu",)) -> None:
        self.catalog, self.settings, self.devices = catalog, settings, tuple(devices)
        self._places: dict[tuple[str, str], Residency] = {}  # by name and device
        self._changed = threading.Condition()
        self._uses = 0

    @contextmanager
    def use(self, name: str, device: str | None = None) -> Iterator[Any]:
        """The model `name` on `device` (the first one when not said), kept in memory until the block ends.

        Loads it on first use, once however many ask at the same time; the others wait. Raises BadRequest for a name
        that is not in the catalog, OutOfMemory when it does not fit beside what is in use, and whatever its loader
        raises, such as ModelUnavailable. A failed load leaves nothing behind, and the next use tries again.
        """
        place = self._enter(self.catalog.get(name), device or self.devices[0])
        try:
            yield place.model
        finally:
            with self._changed:
                place.users -= 1
                self._touch(place)

    def status(self) -> list[ModelStatus]:
        """The models in memory and on their way there, by title."""
        with self._changed:
            here = [place.status() for place in self._places.values() if place.state in ("loading", "ready")]
        return sorted(here, key=lambda status: (status.title, status.device))

    def unload(self, name: str) -> None:
        """Drop the model from every device; one that is not loaded is no error. Raises BadRequest when it is in use."""
        with self._changed:
            places = [place for place in self._places.values() if place.spec.name == name]
            if any(place.users for place in places):
                raise BadRequest(f"{places[0].spec.title} is in use. It can be unloaded when that is done.")
            idle = [place for place in places if place.idle]
            for place in idle:
                place.state = "leaving"
        for place in idle:
            self._drop(place)

    def _enter(self, spec: ModelSpec, device: str) -> Residency:
        """Become a user of a model, loading it if nobody has."""
        with self._changed:
            while (place := self._places.get((spec.name, device))) is not None:
                if place.state == "leaving":
                    self._changed.wait()
                    continue
                return self._join(place)
            place = self._places[spec.name, device] = Residency(spec, device)
            place.users = 1
        self._load(place)
        return place

    def _join(self, place: Residency) -> Residency:
        """Become one more user of a model that is ready or being loaded."""
        if place.state == "loading" and place.loader == threading.get_ident():
            raise RuntimeError(f"loading {place.spec.name} needs {place.spec.name} itself")
        place.users += 1  # before waiting, so that it cannot be evicted between its loading and our waking
        while place.state == "loading":
            self._changed.wait()
        if place.error is not None:
            # One failed load is the failure of all who waited for it, or a dozen would try a hopeless load in turn.
            raise copy.copy(place.error)  # a copy, because raising writes a traceback into the exception
        self._touch(place)
        return place

    def _load(self, place: Residency) -> None:
        spec, device = place.spec, place.device
        try:
            if spec.pack == "hub":
                require(spec, self.settings)  # before anything is dropped for a model that is not here at all
            ahead.wait()
            self._make_room(place)
            precision = pick_precision(self.settings, device)
            model = spec.load(LoadContext(spec, self.settings, device, precision, partial(self._report, place), self))
            if hasattr(model, "to"):
                model.to(device)
        except BaseException as error:
            place.fail(error)
            self._drop(place)
            raise
        with self._changed:
            place.model, place.state, place.progress, place.note = model, "ready", 1.0, ""
            self._touch(place)
            self._changed.notify_all()

    def _report(self, place: Residency, fraction: float, note: str = "") -> None:
        with self._changed:
            place.progress, place.note = min(max(fraction, 0.0), 1.0), note

    def _make_room(self, place: Residency) -> None:
        """Reserve memory for `place` in the budget of its device, dropping idle models while it does not fit."""
        need, budget = place.spec.memory_mb, memory_budget_mb(self.settings, place.device)
        while True:
            with self._changed:
                others = [other for other in self._places.values() if other.device == place.device]
                taken = sum(other.reserved_mb for other in others)
                if taken + need <= budget:
                    place.reserved_mb = need
                    return
                if need <= budget and any(other.state == "leaving" for other in others):
                    self._changed.wait()  # someone else is making room already
                    continue
                idle = [other for other in others if other.idle]
                if need > budget or not idle:
                    raise OutOfMemory(_does_not_fit(place.spec, taken, budget))
                oldest = min(idle, key=lambda other: other.last_use)
                oldest.state = "leaving"
            # One at a time: closing it may release a shared part, which then counts as idle too.
            self._drop(oldest)

    def _drop(self, place: Residency) -> None:
        """Let go of a model that nobody uses, give its memory back, and then its place in the budget."""
        model, place.model = place.model, None
        try:
            if hasattr(model, "close"):
                model.close()
        except Exception:  # whoever needs the room must not fail for it
            logger.exception("closing %s failed", place.spec.name)
        del model
        free_memory(place.device)
        with self._changed:
            place.state, place.reserved_mb = "gone", 0.0
            del self._places[place.spec.name, place.device]
            self._changed.notify_all()

    def _touch(self, place: Residency) -> None:
        self._uses += 1
        place.last_use = self._uses


def _does_not_fit(spec: ModelSpec, taken: float, budget: float) -> str:
    return (
        f"{spec.title} needs {spec.memory_mb:,.0f} MB; of the {budget:,.0f} MB for models {taken:,.0f} MB are in use. "
        "Wait for other jobs to end, choose a smaller model, or start the app with a larger --max-memory."
    )
