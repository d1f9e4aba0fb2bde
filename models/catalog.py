"""Which models exist. Every module in `models/families` lists its own in `SPECS`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from common.errors import BadRequest
from common.settings import Settings
from models import families
from models.devices import has_cuda
from models.sources import locate
from models.spec import ModelSpec


class Catalog:
    """The models there are, in the order in which the families list them.

    Raises ValueError when two specs share a name.
    """

    def __init__(self, specs: Iterable[ModelSpec], settings: Settings) -> None:
        self.settings = settings
        self._specs: dict[str, ModelSpec] = {}
        for spec in specs:
            if spec.name in self._specs:
                raise ValueError(f"two models are named {spec.name!r}")
            self._specs[spec.name] = spec

    @classmethod
    def scan(cls, settings: Settings) -> Catalog:
        """Gather `SPECS` from every module in `models/families`. A module that cannot be imported raises.

        A starter model whose weights this checkout does not ship is left out: nobody could fetch it, only train it.
        A family's `found(settings)`, where it has one, adds the models that lie in folders without being listed.
        """
        names = sorted(module.name for module in iter_modules(families.__path__))
        modules = [import_module(f"{families.__name__}.{name}") for name in names]
        specs = [spec for module in modules for spec in getattr(module, "SPECS", ())]
        taken = {spec.name for spec in specs} | {spec.source.replace("/", "--") for spec in specs}
        for module in modules:
            for spec in module.found(settings) if hasattr(module, "found") else ():
                if spec.name not in taken:
                    taken.add(spec.name)
                    specs.append(spec)
        specs.sort(key=lambda spec: spec.order)  # stable: what is equal stays as the families list it
        return cls((spec for spec in specs if spec.pack != "starter" or locate(spec, settings)), settings)

    def all(self, role: str | None = None) -> tuple[ModelSpec, ...]:
        """The models to show to people, of one role or of all; those of the "debug" pack are never shown."""
        return tuple(s for s in self._specs.values() if s.pack != "debug" and role in (None, s.role))

    def get(self, name: str) -> ModelSpec:
        """The model of that name. Raises BadRequest that lists the names there are."""
        if name in self._specs:
            return self._specs[name]
        raise BadRequest(f"There is no model {name!r}; there are {', '.join(s.name for s in self.all()) or 'none'}.")

    def default(self, role: str) -> ModelSpec:
        """The model that a newcomer gets for `role`.

        With `--models auto` that is the first hub model whose files are here if there is a CUDA card to run it, else
        the starter pack's first; `hub` and `starter` take the first of their pack. A pack without a model of this
        role lends from the other. Raises BadRequest when no model has this role.
        """
        specs = self.all(role)
        if not specs:
            raise BadRequest(f"There is no model for {role!r}.")
        hub = [spec for spec in specs if spec.pack == "hub"]
        starter = [spec for spec in specs if spec.pack == "starter"]
        here = [spec for spec in hub if self.is_available(spec)] if self.settings.models != "starter" else []
        if self.settings.models == "hub":
            return (here or hub or starter)[0]
        # Asked in this order because finding out about CUDA may import torch.
        if self.settings.models == "auto" and here and self.settings.device in ("auto", "cuda") and has_cuda():
            return here[0]
        return (starter or hub)[0]

    def is_available(self, spec: ModelSpec) -> bool:
        """True when the files of `spec` are on this machine."""
        return locate(spec, self.settings) is not None
