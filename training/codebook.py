"""The VQGAN's codebook as it is trained, and the care for the latents that it divides into cells."""

from __future__ import annotations

import torch
from diffusers import VQModel
from torch import Tensor, nn


class Codebook:
    """Running averages behind the codes of ``model.quantize``."""

    def __init__(self, model: VQModel, decay: float = 0.99, ready: bool = False) -> None:
        self.embedding = model.quantize.embedding.weight.requires_grad_(False)
        self.decay = decay
        self.counts = torch.ones(len(self.embedding), device=self.embedding.device)
        self.sums = self.embedding.clone()
        self.ready = torch.tensor(ready)

    def state_dict(self) -> dict[str, Tensor]:
        return {"counts": self.counts, "sums": self.sums, "ready": self.ready}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.counts.copy_(state["counts"]), self.sums.copy_(state["sums"]), self.ready.copy_(state["ready"])

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Codes start as k-means centres of real encoder outputs (n, D), so none is born dead."""
        from sklearn.cluster import MiniBatchKMeans

        means = MiniBatchKMeans(len(self.embedding), batch_size=8192, n_init=1, max_iter=10, random_state=0)
        centres = means.fit(vectors.cpu().numpy()).cluster_centers_
        self.embedding.copy_(torch.from_numpy(centres))
        self.sums.copy_(self.embedding)
        self.ready.fill_(True)

    @torch.no_grad()
    def follow(self, vectors: Tensor, indices: Tensor) -> None:
        """Moves codes to the running mean of the vectors (n, D) that chose them (indices (n,))."""
        counts = torch.bincount(indices, minlength=len(self.counts)).to(self.counts)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors.to(self.sums))
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.embedding.copy_(self.sums / self.counts.clamp(min=1e-5)[:, None])

    @torch.no_grad()
    def restart_dead(self, vectors: Tensor, least: float = 0.02) -> int:
        """Codes chosen less than ``least`` times a step start anew at random vectors of this batch."""
        dead = (self.counts < least).nonzero()[:, 0]
        fresh = vectors[torch.randint(len(vectors), (len(dead),), device=vectors.device)].to(self.sums)
        self.counts[dead], self.sums[dead] = 1.0, fresh
        self.embedding[dead] = fresh
        return len(dead)


def decorrelation(vectors: Tensor) -> Tensor:
    """Squared distance of the mean from 0 and of the covariance from the identity, of latents (n, C).

    Without it the encoder settled on a two-dimensional sheet in its four dimensions, where green had no place of its
    own, and a codebook laid on the sheet kept it there.
    """
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred / len(vectors)
    return vectors.mean(0).square().mean() + (covariance - torch.eye(vectors.shape[1]).to(vectors)).square().mean()


@torch.no_grad()
def unfold(model: VQModel, pictures: Tensor, least: float = 0.2) -> int:
    """Turns latents into their principal axes at unit variance; axes with next to none become new random features.

    The decoder undoes the turn, so the picture hardly changes, and reads the new features faintly at first. pictures
    (N, 3, H, W) in [-1, 1] are what variance is measured on; returns how many axes are new. Axes count as empty below
    ``least`` times the largest standard deviation.
    """
    features = model.encoder(pictures)
    before = model.quant_conv(features).permute(0, 2, 3, 1).flatten(0, 2)
    mean, (_, spread, axes) = before.mean(0), torch.linalg.svd(before - before.mean(0), full_matrices=False)
    std = spread / len(before) ** 0.5
    alive = std > least * std[0]
    turn = axes[alive] / std[alive, None]  # (k, C): latents -> unit variance
    back = axes[alive].T * std[alive]  # (C, k)
    encode, decode, last = model.quant_conv, model.post_quant_conv, model.encoder.conv_out
    weight, bias = encode.weight[:, :, 0, 0], encode.bias
    # The convolution before takes over the whole turn; what follows it starts as the identity.
    turned = torch.einsum("kc,cd,dxyz->kxyz", turn, weight, last.weight)
    shift = turn @ (weight @ last.bias + bias - mean)
    count = int((~alive).sum())
    fresh = torch.randn(count, *last.weight.shape[1:]).to(turned) * turned.std()
    last.weight.copy_(torch.cat([turned, fresh]))
    last.bias.copy_(torch.cat([shift, torch.zeros(count).to(shift)]))
    new = model.encoder(pictures)[:, len(turned) :]
    last.weight[len(turned) :] /= new.std((0, 2, 3))[:, None, None, None].clamp(min=1e-6)
    encode.weight.copy_(torch.eye(len(weight))[:, :, None, None])
    encode.bias.zero_()
    old = decode.weight[:, :, 0, 0].clone()
    faint = torch.randn(len(old), count).to(old) * (old @ back).std() * 0.1
    decode.bias.add_(old @ mean)
    decode.weight.copy_(torch.cat([old @ back, faint], 1)[:, :, None, None])
    nn.init.normal_(model.quantize.embedding.weight)
    return count
