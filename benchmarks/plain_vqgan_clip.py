"""VQGAN+CLIP as the common scripts write it: what `benchmarks.vqgan_clip` compares with.

After the loop that Crowson's notebook, nerdyrodent/VQGAN-CLIP, rkhamilton/vqgan-clip-generator and tnwei/vqgan-clip-app
share: a Python loop over the cuts, each resampled by itself; augmentations one after the other over the batch, as
kornia does them; distances to all codes and a one-hot product; float32; and a second decode for the preview. Same
weights, number and size of cuts as ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from common.images import to_pil
from pipelines.vqgan_clip.quantise import clamp

if TYPE_CHECKING:
    from torch import Tensor


class PlainLoop:
    """One run on one canvas of `size` pixels a side; `step` returns the preview when it is asked for one."""

    def __init__(self, vqgan: Any, ranker: Any, prompt: str, size: int, cuts: int, cut_size: int, rate: float) -> None:
        import torch

        torch.manual_seed(0)
        self.vqgan, self.ranker, self.cuts, self.cut_size = vqgan, ranker, cuts, cut_size
        side = size // vqgan.factor
        self.z = vqgan.random(1, side, side).clone().requires_grad_()
        self.goal = ranker.encode_texts([prompt]).to(self.z.device)
        self.optimiser = torch.optim.Adam([self.z], lr=rate)

    def step(self, preview: bool = True) -> Any:
        import torch

        self.optimiser.zero_grad(set_to_none=True)
        features = self.ranker.image_features(self._cutouts(self._decoded()))
        distance = (features[:, None] - self.goal[None]).norm(dim=2).div(2).arcsin().pow(2).mul(2)
        distance.mean().backward()
        self.optimiser.step()
        with torch.no_grad():
            self.z.copy_(self.z.maximum(self.vqgan.low).minimum(self.vqgan.high))
            return to_pil(self._decoded())[0] if preview else None

    def _decoded(self) -> Tensor:
        import torch.nn.functional as F

        x, codebook = self.z.movedim(1, 3), self.vqgan.codebook
        distance = x.pow(2).sum(dim=-1, keepdim=True) + codebook.pow(2).sum(dim=1) - 2 * x @ codebook.T
        codes = F.one_hot(distance.argmin(-1), codebook.shape[0]).to(distance.dtype) @ codebook
        z_q = (x + (codes - x).detach()).movedim(3, 1)
        return clamp(self.vqgan.decode(z_q))

    def _cutouts(self, picture: Tensor) -> Tensor:
        import torch

        side_y, side_x = picture.shape[2:4]
        largest = min(side_x, side_y)
        smallest = min(side_x, side_y, self.cut_size)
        cutouts = []
        for _ in range(self.cuts):
            side = int(torch.rand([]) * (largest - smallest) + smallest)
            left, top = (int(torch.randint(0, full - side + 1, ())) for full in (side_x, side_y))
            cutouts.append(_resampled(picture[:, :, top : top + side, left : left + side], self.cut_size))
        batch = _augmented(torch.cat(cutouts, dim=0))
        strength = batch.new_empty([self.cuts, 1, 1, 1]).uniform_(0, 0.1)
        return batch + strength * torch.randn_like(batch)


def _resampled(cutout: Tensor, size: int) -> Tensor:
    """To size × size: a Lanczos filter where it gets smaller, then bicubic."""
    import torch
    import torch.nn.functional as F

    height, width = cutout.shape[2:]
    channels = cutout.view([3, 1, height, width])
    for axis, side in ((2, height), (3, width)):
        if size < side:
            reach = math.ceil(2 * side / size)
            steps = torch.arange(-reach + 1, reach, device=cutout.device) * (size / side)
            kernel = torch.sinc(steps) * torch.sinc(steps / 2) * (steps.abs() < 2)
            kernel = (kernel / kernel.sum()).view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
            edge = (len(steps) - 1) // 2
            edges = (0, 0, edge, edge) if axis == 2 else (edge, edge, 0, 0)
            channels = F.conv2d(F.pad(channels, edges, "reflect"), kernel)
    return F.interpolate(channels.view([1, 3, height, width]), (size, size), mode="bicubic", align_corners=True)


def _augmented(batch: Tensor) -> Tensor:
    """Flip, colour jitter, affine, perspective, each with its chance, one after the other."""
    import torch
    import torch.nn.functional as F

    n = len(batch)

    def chosen(chance: float) -> Tensor:
        return (torch.rand(n, device=batch.device) < chance).view(n, 1, 1, 1)

    batch = torch.where(chosen(0.5), batch.flip(-1), batch)
    batch = torch.where(chosen(0.7), _jittered(batch), batch)
    angle = (torch.rand(n, device=batch.device) * 2 - 1) * math.radians(30)
    shift = (torch.rand(n, 2, device=batch.device) * 2 - 1) * 0.2
    turned = torch.stack([angle.cos(), -angle.sin(), shift[:, 0], angle.sin(), angle.cos(), shift[:, 1]], 1).view(
        n, 2, 3
    )
    grid = F.affine_grid(turned, list(batch.shape), align_corners=False)
    batch = torch.where(chosen(0.8), F.grid_sample(batch, grid, padding_mode="border", align_corners=False), batch)
    bend = (torch.rand(n, 1, 1, 2, device=batch.device) * 2 - 1) * 0.1
    flat = F.affine_grid(torch.eye(2, 3, device=batch.device).repeat(n, 1, 1), list(batch.shape), align_corners=False)
    bent = flat / (1 + (flat * bend).sum(-1, keepdim=True))
    return torch.where(chosen(0.4), F.grid_sample(batch, bent, align_corners=False), batch)


def _jittered(batch: Tensor) -> Tensor:
    """Hue and saturation changed by up to 0.01, by way of HSV."""
    import torch

    value, place = batch.max(1)
    chroma = value - batch.amin(1)
    safe = chroma.clamp(min=1e-8)
    red, green, blue = batch.unbind(1)
    candidates = torch.stack([(green - blue) / safe % 6, (blue - red) / safe + 2, (red - green) / safe + 4])
    hue = candidates.gather(0, place[None])[0] + 6 * (torch.rand(len(batch), 1, 1, device=batch.device) * 2 - 1) * 0.01
    factor = 1 + (torch.rand(len(batch), 1, 1, device=batch.device) * 2 - 1) * 0.01
    saturation = (chroma / value.clamp(min=1e-8) * factor).clamp(0, 1)
    parts = []
    for offset in (5, 3, 1):
        k = (offset + hue) % 6
        parts.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(parts, 1)
