"""Ways to look at a canvas: which crops are taken, and how each is bent, turned and recoloured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How cuts are drawn. Chances and shares are in [0, 1]; angles in degrees.

    `whole` is the share of cuts that show all of the canvas; `smallest` the least side of the others as a share of
    the canvas's short side, `power` bends their distribution (above 1: more small ones). `shift` is a share of the
    cut's side, `perspective` the share of half a side by which a corner may move inwards. `jitter` are the strengths
    of brightness, contrast, saturation and hue. `pooled`: the cuts look at the mean of an average and a maximum
    pooling of the canvas to their own size. `beyond` says what lies outside the canvas: its "edge" goes on, or "grey"
    of a random lightness. Perspectives look at less than the crop and never beyond it.
    """

    title: str
    whole: float = 0.0
    smallest: float = 0.5
    power: float = 1.0
    flip: float = 0.0
    angle: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    affine: float = 0.0  # the chance of angle, shift and shear
    perspective: float = 0.0
    bent: float = 0.0  # the chance of a perspective
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    recoloured: float = 0.0  # the chance of a jitter
    erased: float = 0.0  # the chance of a rectangle taken out
    pooled: bool = False
    beyond: str = "edge"


PRESETS = {
    # Crowson's crops with the augmentations that most later systems added to them.
    "classic": Preset(
        "Classic: square crops of all sizes",
        flip=0.5, angle=30, shift=0.1, affine=0.8, perspective=0.2, bent=0.4, jitter=(0, 0, 0.01, 0.01), recoloured=0.7,
    ),
    # Every cut shows nearly everything, so one subject fills the canvas instead of many small ones.
    "single": Preset(
        "Single subject: crops of nearly everything",
        smallest=0.8, flip=0.5, angle=20, shift=0.1, affine=0.8, perspective=0.2, bent=0.4,
        jitter=(0, 0, 0.01, 0.01), recoloured=0.7,
    ),
    # Part of the cuts see the composition, part the detail; after Disco Diffusion and pixray.
    "overview": Preset(
        "Overview and inner crops",
        whole=0.4, smallest=0.25, power=1.5, flip=0.5, angle=10, shift=0.05, affine=0.7, perspective=0.3, bent=0.7,
        jitter=(0.1, 0.1, 0.1, 0.02), recoloured=0.8, beyond="grey",
    ),
    # nerdyrodent's latest: one pooled view of everything, bent in many ways. Quick to compose, blind to detail.
    "pooled": Preset(
        "Pooled: the whole canvas, bent many ways",
        whole=1.0, angle=15, shift=0.1, shear=5, affine=0.7, perspective=0.6, bent=0.7, jitter=(0.1, 0.1, 0.1, 0.1),
        recoloured=0.7, erased=0.7, pooled=True, beyond="edge",
    ),
}  # fmt: skip
