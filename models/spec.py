"""All facts about a model in one record, and what its loader is handed.

Dropdowns, sliders, request limits, the README table and the tests are made from `ModelSpec`; no code asks a model its
name to decide what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.settings import Settings
    from models.pool import ModelPool

ROLES = ("text_to_image", "ranker", "sentence", "vqgan", "captioner", "safety")
PACKS = ("starter", "hub", "debug")


@dataclass(frozen=True)
class Range:
    """Limits and default of a numerical control, both ends allowed."""

    minimum: float
    maximum: float
    step: float
    default: float

    def __post_init__(self) -> None:
        if not self.minimum <= self.default <= self.maximum or self.step <= 0:
            raise ValueError(f"not a range with its default inside and a positive step: {self}")


@dataclass(frozen=True)
class ModelSpec:
    """One model of the catalog.

    `source` is "owner/name" (hub), "pip:package", or a folder's name in the weights folder (starter) or where else the
    user keeps it (hub); `revision` is a known commit hash or "main" for the hub and None elsewhere. `memory_mb` is what
    stays resident while loaded. `controls` maps the name of a setting to its `Range` or to the words that may be
    chosen. `files` are the patterns to fetch from the hub, each of which must match for the checkpoint to count as
    complete.
    Of one pack and role, models with a lower `order` come first, and the first is what newcomers get.
    `looks` are the fractions of the steps after which fast ranking looks at a picture in the making.
    `load` imports its heavy libraries inside and returns the object that the role's contract describes; the object may
    offer `to(device)` and `close()`.
    """

    name: str
    title: str
    role: str
    pack: str
    source: str
    revision: str | None
    licence: str
    download_mb: float
    memory_mb: float
    load: Callable[[LoadContext], Any]
    controls: Mapping[str, Range | tuple[str, ...]] = field(default_factory=dict)
    default_scheduler: str = ""
    order: int = 0
    looks: tuple[float, ...] = (0.25, 0.5)
    note: str = ""
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"{self.name}: role is {self.role!r}, allowed are {', '.join(ROLES)}")
        if self.pack not in PACKS:
            raise ValueError(f"{self.name}: pack is {self.pack!r}, allowed are {', '.join(PACKS)}")


def hub_spec(
    name: str, title: str, source: str, role: str, licence: str, sizes_mb: tuple[float, float], **more: Any
) -> ModelSpec:
    """A published model at the head of its repository; `sizes_mb` are those of the download and in memory.

    The sizes of published models are rough, from their parameter counts.
    """
    download_mb, memory_mb = sizes_mb
    return ModelSpec(
        name=name,
        title=title,
        role=role,
        pack="hub",
        source=source,
        revision="main",
        licence=licence,
        download_mb=download_mb,
        memory_mb=memory_mb,
        **more,
    )


@dataclass(frozen=True)
class LoadContext:
    """What a loader may use.

    `precision` is "fp32", "bf16" or "fp16" and is already decided for `device`. `report(fraction, note)` publishes
    progress in [0, 1]. `pool` gives parts that models share, such as the sentence encoder, by `pool.use`.
    """

    spec: ModelSpec
    settings: Settings
    device: str
    precision: str
    report: Callable[[float, str], None]
    pool: ModelPool
