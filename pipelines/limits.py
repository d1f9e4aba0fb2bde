"""Refusing values that are not allowed, each in one sentence that names the value and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.errors import BadRequest
from models.catalog import Catalog
from models.sources import require
from models.spec import ModelSpec, Range
from safeguards.wording import shown


def number(name: str, value: Any, minimum: float, maximum: float) -> float:
    """`value` as a float inside the limits, both ends allowed. Raises BadRequest otherwise."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not minimum <= value <= maximum:  # NaN fails every comparison
        raise BadRequest(f"The {name} is {shown(value)}; allowed is a number from {minimum:,g} to {maximum:,g}.")
    return float(value)


def whole(name: str, value: Any, minimum: int, maximum: int, step: int = 1) -> int:
    """`value` as an int among minimum, minimum + step, ..., maximum; 8.0 counts as 8. Raises BadRequest otherwise."""
    integral = (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )
    if not integral or not minimum <= value <= maximum or (int(value) - minimum) % step:
        kind = "a whole number" if step == 1 else f"a multiple of {step}" if minimum % step == 0 else "a number"
        steps = f" in steps of {step}" if kind == "a number" else ""
        raise BadRequest(f"The {name} is {shown(value)}; allowed is {kind} from {minimum} to {maximum}{steps}.")
    return int(value)


def control(spec: ModelSpec, name: str, value: Any, is_whole: bool) -> Any:
    """The value of a model's control, its default for None. None when the model has no such control.

    Raises BadRequest when the value is outside the control's limits, or given for a control that is not there.
    """
    limits = spec.controls.get(name)
    if not isinstance(limits, Range):
        if value is not None:
            raise BadRequest(f"The {name} is {shown(value)}, but {spec.title} has no such control; leave it out.")
        return None
    value = limits.default if value is None else value
    if is_whole:
        return whole(name, value, int(limits.minimum), int(limits.maximum), int(limits.step))
    return number(name, value, limits.minimum, limits.maximum)


def one_of(name: str, value: Any, allowed: Sequence[str], default: str) -> str:
    """`value` if it is one of the allowed words, `default` for "". Raises BadRequest otherwise."""
    if value in ("", None):
        return default
    if value not in allowed:
        raise BadRequest(f"The {name} is {shown(value)}; allowed are {', '.join(allowed) or 'none'}.")
    return value


def flag(name: str, value: Any) -> bool:
    """`value` if it is true or false. Raises BadRequest otherwise."""
    if not isinstance(value, bool):
        raise BadRequest(f"The {name} is {shown(value)}; allowed are true and false.")
    return value


def model(catalog: Catalog, role: str, name: Any) -> ModelSpec:
    """The spec of the model `name`, the default one of `role` for "".

    Raises BadRequest for a name that is no model of this role, ModelUnavailable when its files are not here.
    """
    spec = catalog.default(role) if name in ("", None) else None
    if spec is None:
        names = [each.name for each in catalog.all(role)]
        # Models of the pack "debug" are not listed, and still there for who knows their name.
        if not isinstance(name, str) or catalog.get(name).role != role:
            raise BadRequest(f"{shown(name)} is no model for this; allowed are {', '.join(names) or 'none'}.")
        spec = catalog.get(name)
    require(spec, catalog.settings)
    return spec
