"""What ClipCap asks of a ranker beyond unit vectors: their length, what the tower saw before it projected that into the
space of texts, and what in the picture a number depends on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from common.images import to_tensor

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn


def clip_vectors(
    ranker: Any, pictures: Sequence[Image], normalise: bool, features: bool | str = False
) -> tuple[Tensor, Tensor]:
    """RGB pictures of any sizes -> CLIP vectors (N, d) float32, of unit length or as CLIP's tower leaves them; and the
    unit vectors (N, D) by which the ranker itself compares them with texts, from the same look at the pictures.

    With `features` the first are the pooled features of a tower of timm's, (N, wider), before its projection; with
    "both" these and the vectors behind them, each part of its own length.
    """
    import torch

    if normalise and not features:
        units = ranker.encode_images(pictures)
        return units, units
    raw: list[list[Tensor]] = [[] for _ in _sources(ranker, features)]
    with ExitStack() as stack:
        for module, seen in zip(_sources(ranker, features), raw, strict=True):
            stack.enter_context(_watched(module, seen.append))
        units = ranker.encode_images(pictures)
    looks = len(getattr(ranker, "looks", (1.0,)))
    merged = [torch.cat([part.float().cpu().unflatten(0, (looks, -1)).mean(0) for part in seen]) for seen in raw]
    return torch.cat([_scaled(part, normalise) for part in merged], 1), units


def patch_heat(
    ranker: Any, picture: Image, normalise: bool, score: Callable[[Tensor], Tensor], features: bool | str = False
) -> Tensor | None:
    """How much each place of CLIP's last map (h, w) speaks for `score`, a number made of what `clip_vectors` gives.

    None for a tower whose last map is not known. Negative where it speaks against it.
    """
    import torch

    visual = ranker.model.visual
    if (place := _last_map(visual)) is None:
        return None
    module, after = place
    maps: list[Tensor] = []

    def tap(value: Tensor) -> Tensor:
        maps.append(value.detach().requires_grad_())
        return maps[0]

    raw: list[Tensor] = []
    with torch.enable_grad(), ExitStack() as stack:
        for source in _sources(ranker, features):  # the later ones are called later
            stack.enter_context(_watched(source, raw.append))
        stack.enter_context(_replaced(module, tap, after))
        ranker.image_features(to_tensor(picture).to(ranker.device))
        value = score(torch.cat([_scaled(part.float(), normalise) for part in raw], 1))
        (gradient,) = torch.autograd.grad(value, maps[0])
    return _as_map(visual, maps[0].detach() * gradient)


def _sources(ranker: Any, features: bool | str) -> list[nn.Module]:
    """The modules whose outputs are read, in the order in which they work."""
    visual = ranker.model.visual
    if not features:
        return [visual]
    pool = getattr(visual.trunk, "global_pool", None)
    pooled = pool if callable(pool) else visual.trunk
    return [pooled, visual] if features == "both" else [pooled]


def _scaled(vectors: Tensor, normalise: bool) -> Tensor:
    import torch.nn.functional as F

    return F.normalize(vectors, dim=-1) if normalise else vectors


def _last_map(visual: nn.Module) -> tuple[nn.Module, bool] | None:
    """The module, and whether its output (True) or its input holds the last map that CLIP pools."""
    if hasattr(visual, "transformer"):  # open_clip's ViT: only the class token leaves the last block
        return visual.transformer.resblocks[-1], False
    if hasattr(visual, "layer4"):  # CLIP's ResNets
        return visual.layer4, True
    trunk = getattr(visual, "trunk", None)  # timm
    if hasattr(trunk, "blocks") and hasattr(trunk, "patch_embed"):
        return trunk.blocks[-1], False
    if hasattr(trunk, "conv_head") and hasattr(trunk, "bn2"):  # EfficientNets; more than the pool may read their map
        return trunk.bn2, True
    pool = getattr(trunk, "global_pool", None)
    pool = (
        pool
        if pool is not None and not isinstance(pool, str)
        else getattr(getattr(trunk, "head", None), "global_pool", None)
    )
    return (pool, False) if pool is not None else None


def _as_map(visual: nn.Module, parts: Tensor) -> Tensor:
    """Products of map and gradient, (1, C, h, w) or (1, L, C) -> (h, w)."""
    if parts.ndim == 4:
        return parts[0].sum(0)
    height, width = visual.grid_size if hasattr(visual, "grid_size") else visual.trunk.patch_embed.grid_size
    return parts[0, -height * width :].sum(-1).view(height, width)


@contextmanager
def _watched(module: nn.Module, see: Callable[[Tensor], Any]) -> Iterator[None]:
    """Hand this thread's outputs of `module` to `see`; of a tower that knows places what it says of the whole."""
    width = getattr(module, "width", None)
    thread = threading.get_ident()  # the ranker may be at work for another thread too

    def hook(_: Any, __: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            see(output[0] if isinstance(output, tuple) else output[:, :width])

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _replaced(module: nn.Module, tap: Callable[[Tensor], Tensor], after: bool) -> Iterator[None]:
    """Replace this thread's inputs of `module`, or its outputs, by what `tap` makes of them."""
    thread = threading.get_ident()

    def before_hook(_: Any, given: tuple) -> tuple | None:
        return (tap(given[0]), *given[1:]) if threading.get_ident() == thread else None

    def after_hook(_: Any, __: Any, output: Tensor) -> Tensor | None:
        return tap(output) if threading.get_ident() == thread else None

    handle = module.register_forward_hook(after_hook) if after else module.register_forward_pre_hook(before_hook)
    try:
        yield
    finally:
        handle.remove()
