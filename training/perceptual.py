"""Perceptual distance on EfficientNet-lite0 features.

The idea of LPIPS (Zhang et al. 2018): compare unit-normalised activations of a classifier's stages instead of pixels.
There is no learned weighting here; every stage counts the same.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from models.families.efficientnet import MEAN, STD, imagenet_state


class PerceptualLoss(nn.Module):
    """Mean squared distance of channel-normalised features at strides 2, 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.features = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(0, 1, 2, 3))
        self.features.load_state_dict(imagenet_state(), strict=False)  # the classifier's head is not part of it
        self.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, ours: Tensor, target: Tensor) -> Tensor:
        """Both (N, 3, H, W) in [-1, 1]; returns a scalar."""
        loss = ours.new_zeros(())
        with torch.no_grad():
            targets = self.features(self._prepare(target))
        for a, b in zip(self.features(self._prepare(ours)), targets, strict=True):
            loss = loss + (_unit(a) - _unit(b)).square().sum(1).mean()
        return loss / 4

    def _prepare(self, pictures: Tensor) -> Tensor:
        return ((pictures + 1) / 2 - self.mean) / self.std


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + 1e-6).sqrt()
