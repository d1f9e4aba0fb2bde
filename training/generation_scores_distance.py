"""How far generated pictures are from real ones as a crowd: Frechet and kernel distance of EfficientNet-lite0 features.

FID (Heusel et al. 2017) of few pictures is far above that of many, and the more so the fewer there are, so every
number here comes with its count of pictures and a floor: what the same count of real pictures gets. KID (Binkowski et
al. 2018) has no such bias. Both are on ImageNet's lite0, not on Inception, and compare with nothing published.
"""

from __future__ import annotations

import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from models.families.efficientnet import MEAN, STD, imagenet_state

NETWORK, SIDE, BATCH = "tf_efficientnet_lite0", 128, 32


class Features:
    """Pooled features of ImageNet's EfficientNet-lite0, which no model of ours was trained to please as it is."""

    def __init__(self) -> None:
        self.network = timm.create_model(NETWORK, pretrained=False)
        self.network.load_state_dict(imagenet_state(), strict=False)
        self.network.reset_classifier(0)
        self.network.eval().requires_grad_(False)
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to features (N, 1280) float32; other sizes are brought to 128 pixels."""
        if pictures.shape[-2:] != (SIDE, SIDE):
            pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
        return torch.cat([self.network((part - self.mean) / self.std) for part in pictures.split(BATCH)])


def frechet(ours: Tensor, real: Tensor) -> float:
    """Frechet distance of two normal distributions fitted to features (N, D) and (M, D).

    The trace of the root of the product of two covariances A'A and B'B is the nuclear norm of AB' (Mathiasen and
    Hvilshoj 2020). That is exact, and stays so with fewer pictures than dimensions, where a matrix root does not.
    """
    ours, real = ours.double(), real.double()
    (a, mean_a), (b, mean_b) = _centred(ours), _centred(real)
    covariances = a.square().sum() + b.square().sum() - 2 * torch.linalg.matrix_norm(a @ b.T, "nuc")
    return float((mean_a - mean_b).square().sum() + covariances)


def _centred(features: Tensor) -> tuple[Tensor, Tensor]:
    mean = features.mean(0)
    return (features - mean) / (len(features) - 1) ** 0.5, mean


def kernel(ours: Tensor, real: Tensor) -> float:
    """Squared MMD of features (N, D) and (M, D) under the cubic kernel; unbiased, so it may be negative."""
    ours, real = ours.double(), real.double()
    return float(_apart(ours) + _apart(real) - 2 * _cubic(ours, real).mean())


def _cubic(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _apart(features: Tensor) -> Tensor:
    """Mean kernel of two different pictures of one set."""
    values = _cubic(features, features)
    return (values.sum() - values.trace()) / (len(values) * (len(values) - 1))


def distances(ours: Tensor, held_out: Tensor, training: Tensor) -> dict[str, float]:
    """FID and KID of generated features against held-out ones, and what real pictures get.

    ``floor`` is of as many real training pictures, so it may be compared; ``halves`` is of one half of the held-out
    pictures against the other, where FID is higher only because they are half as many.
    """
    half = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0)).chunk(2)
    pairs = {"": (ours, held_out), " floor": (training, held_out), " halves": (held_out[half[0]], held_out[half[1]])}
    measured: dict[str, float] = {"pictures": len(ours), "real pictures": len(held_out)}
    for name, (first, second) in pairs.items():
        measured |= {f"FID{name}": frechet(first, second), f"KID{name}": kernel(first, second)}
    return measured
