"""A CLIP that tells where things are: left, right, above, below, beside the picture as a whole.

A mean over a picture, and a mean over a sentence's tokens, hardly know left from right or whose colour is whose. So the
vectors get four more parts. A picture's come from its four halves, seen by the same projection as the whole. A
sentence's come from those of its words that speak about what stands in that half; a thin transformer layer chooses
them, and how much the sentence speaks about halves at all is a gate of each part. As both sides of a part live in the
space that the CLIP already has, what is learned about a few thousand pairs holds for things never seen.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HALVES = 4  # left, right, top, bottom
_OF_QUARTERS = ((2.0, 0, 2, 0), (0, 2, 2, 0), (2, 0, 0, 2), (0, 2, 0, 2))  # top left, top right, bottom left, ...


class Narrow(nn.Module):
    """Vectors of halves (N, 4, `width`) to the parts (N, 4 * `narrow`) of a vector whose first part has length one."""

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, narrow, bias=False)
        self.weight = nn.Parameter(torch.tensor(-0.7))  # logarithm of a part's length

    def forward(self, halves: Tensor) -> Tensor:
        return F.normalize(self.project(halves), dim=-1).flatten(1) * self.weight.exp()


class PlacedTower(nn.Module):
    """A convolutional network `trunk` of timm's and a `head` that maps its pooled features to vectors (N, `width`)."""

    def __init__(self, trunk: nn.Module, head: nn.Module, width: int, narrow: int) -> None:
        super().__init__()
        self.trunk, self.head, self.width = trunk, head, width
        self.narrow = Narrow(width, narrow)
        self.register_buffer("of_quarters", torch.tensor(_OF_QUARTERS) / 4, persistent=False)  # (4, HALVES)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (N, 3, H, W) to vectors (N, `width` + 4 * `narrow`); the first `width` are the whole's."""
        return self.of_regions(self.regions(self.trunk.forward_features(pixels)))

    def regions(self, maps: Tensor) -> Tensor:
        """The trunk's last maps (N, C, h, w) to unit vectors (N, 5, `width`) of the whole and its halves."""
        quarters = F.adaptive_avg_pool2d(maps, 2).flatten(2)
        halves = quarters @ self.of_quarters.to(maps)
        features = torch.cat([self.trunk.forward_head(maps)[:, None], halves.transpose(1, 2)], 1)
        return F.normalize(self.head(features), dim=-1)

    def of_regions(self, regions: Tensor) -> Tensor:
        """Unit vectors (N, 5, `width`) to what `forward` gives."""
        return torch.cat([regions[:, 0], self.narrow(regions[:, 1:])], 1)


class PlacedReader(nn.Module):
    """A transformer of transformers' and the projection `proj` of its mean token state, as open_clip's text towers."""

    SCALE = 8.0  # MiniLM's states have a deviation of about 1/8

    def __init__(self, text: nn.Module, width: int, narrow: int, length: int, inner: int = 128) -> None:
        super().__init__()
        self.config, self.transformer, self.proj = text.config, text.transformer, text.proj
        self.down = nn.Linear(self.config.hidden_size, inner)
        self.positions = nn.Parameter(torch.randn(length, inner) * 0.3)
        self.layer = nn.TransformerEncoderLayer(
            inner, nhead=4, dim_feedforward=2 * inner, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm, self.choose = nn.LayerNorm(inner), nn.Linear(inner, HALVES)
        self.nothing = nn.Parameter(torch.zeros(HALVES))
        self.narrow = Narrow(width, narrow)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, L), padded by the config's token, to vectors (N, `width` + 4 * `narrow`)."""
        return self.of_states(*self._states(tokens))

    def of_wholes(self, tokens: Tensor) -> Tensor:
        """The same, with zeros for the halves: as if no sentence spoke about places."""
        states, mask = self._states(tokens)
        vectors = self.proj(_mean(states, mask))
        return F.pad(vectors, (0, self.narrow.project.out_features * HALVES))

    def _states(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        mask = tokens != self.config.pad_token_id
        return self.transformer(input_ids=tokens, attention_mask=mask.long()).last_hidden_state, mask

    def of_states(self, states: Tensor, mask: Tensor) -> Tensor:
        """The same from token states (N, L, C) and mask (N, L) bool."""
        chosen, gates = self.chosen(states, mask)
        vectors = F.normalize(self.proj(torch.cat([_mean(states, mask)[:, None], chosen], 1)), dim=-1)
        parts = self.narrow(vectors[:, 1:]).unflatten(1, (HALVES, -1)) * gates[..., None]
        return torch.cat([vectors[:, 0], parts.flatten(1)], 1)

    def chosen(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Per half the mean state (N, 4, C) of the tokens that speak about it, and whether any does: (N, 4) in [0, 1].

        Tokens beyond the known positions speak about no half.
        """
        states, mask = states[:, : len(self.positions)], mask[:, : len(self.positions)]
        thin = self.down(self.SCALE * states) + self.positions[: states.shape[1]]
        thin = self.layer(thin, src_key_padding_mask=~mask)
        fit = self.choose(self.norm(thin)).masked_fill(~mask[..., None], -1e4)
        shares = torch.cat([fit, self.nothing.expand(len(fit), 1, HALVES)], 1).softmax(1)
        gates = 1 - shares[:, -1]
        means = torch.einsum("nlh,nlc->nhc", shares[:, :-1], states) / gates.clamp(min=1e-3)[..., None]
        return means, gates


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Of the states (N, L, C) of the tokens that are none of padding: (N, C)."""
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def with_places(model: nn.Module, width: int, narrow: int, length: int) -> None:
    """Puts the four parts on an open_clip ``CustomTextCLIP`` with a timm and a transformers tower; nothing is trained.

    Both projections of halves begin alike, so that what fits as a whole fits as a half.
    """
    model.visual = PlacedTower(model.visual.trunk, model.visual.head, width, narrow)
    model.text = PlacedReader(model.text, width, narrow, length)
    nn.init.orthogonal_(model.visual.narrow.project.weight)
    model.text.narrow.load_state_dict(model.visual.narrow.state_dict())
