"""A projection that knows ImageNet's names: what makes the starter CLIP recognise photographs it never saw.

ConSE (Norouzi et al. 2014) places a picture at the mean of the class names' vectors, weighted by what a classifier
thinks of it. Here that mean is added to a learned projection, and names and sharpness are learned with it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 1000


class NamingHead(nn.Module):
    """`projection` maps features (N, `size`) to vectors (N, `width`); the classifier's names are added to these.

    `names` (1000, `width`) begin as zeros, with which this is the bare projection. The classifier stays as it is.
    """

    def __init__(self, projection: nn.Module, size: int, width: int) -> None:
        super().__init__()
        self.projection = projection
        self.classifier = nn.Linear(size, CLASSES).requires_grad_(False)
        self.names = nn.Parameter(torch.zeros(CLASSES, width))
        self.sharpness = nn.Parameter(torch.zeros(()))  # logarithm of what the logits are multiplied by

    def forward(self, features: Tensor) -> Tensor:
        """Pooled features (N, `size`) to vectors (N, `width`), not of unit length."""
        shares = (self.sharpness.exp() * self.classifier(features)).softmax(-1)
        return self.projection(features) + shares @ self.names
