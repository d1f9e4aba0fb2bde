"""Sampling: words drawn at random, from the part of the distribution that is worth drawing from."""

from __future__ import annotations

import torch
from torch import Tensor

from models.decoding.search import Continuation, Search, Tokens
from models.families.caption_contract import Decoding

SORTED = 512  # tokens that are sorted before all of a vocabulary is


class Sampling(Search):
    """`count` captions a picture, each token drawn after temperature, `top_k`, `top_p` and `min_p`.

    The draws depend on the seed, the step and the number of the sample alone: a picture has the same captions in
    whatever batch it is.
    """

    def __init__(self, network: Continuation, decoding: Decoding, tokens: Tokens) -> None:
        super().__init__(network, decoding, tokens, decoding.count)
        dice = torch.Generator().manual_seed(decoding.seed)
        self.draws = torch.rand(decoding.max_tokens, decoding.count, generator=dice)

    def choose(self, log_probs: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        """See `Search.choose`."""
        shape = (len(log_probs), self.width)
        place = torch.arange(self.width, device=log_probs.device).expand(shape)
        draws = self.draws[self.made].to(log_probs.device)
        kept, tokens = worth_drawing(log_probs.softmax(-1), self.decoding)
        heights = kept.cumsum(-1).expand(*shape, -1).contiguous()
        total = heights[..., -1]
        # Rounded up to the total, a draw would fall behind the last token.
        marks = torch.minimum(draws * total, total.nextafter(torch.zeros_like(total)))
        places = torch.searchsorted(heights, marks[..., None], right=True)
        chosen = tokens.expand(*shape, -1).gather(-1, places)[..., 0]
        gain = log_probs.expand(*shape, -1).gather(-1, chosen[..., None])[..., 0]
        self.scores = self.scores + gain.masked_fill(self.done, 0)
        return chosen.masked_fill(self.done, 0), torch.zeros_like(place) if first else place

    def standing(self) -> Tensor:
        """See `Search.standing`: samples are ranked by the model's own log-probability of the whole."""
        return self.log_probs.sum(-1)


def worth_drawing(probabilities: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Probabilities (..., V) -> those that pass the filters, 0 for the others, and their tokens, both (..., K).

    `top_k` keeps the k likeliest; `top_p` the fewest likeliest whose shares of what is left sum to p or more (Holtzman
    et al. 2020); `min_p` those with at least that share of the likeliest's (Nguyen et al. 2024). One always remains.
    """
    vocabulary, least = probabilities.shape[-1], decoding.min_p
    if not decoding.top_k and not least and decoding.top_p == 1:
        return probabilities, torch.arange(vocabulary, device=probabilities.device).expand(probabilities.shape)
    # Sorting a vocabulary takes longer than all else here, and what passes is nearly always among the first few.
    first = min(decoding.top_k or SORTED, vocabulary)
    values, tokens = probabilities.topk(first)
    total = (values if decoding.top_k else probabilities).sum(-1, keepdim=True)
    if not decoding.top_k and first < vocabulary and not _all_passed(values, total, decoding):
        values, tokens = probabilities.sort(-1, descending=True)
    out = values < least * values[..., :1]
    if decoding.top_p < 1:
        out = out | (values.cumsum(-1) - values >= decoding.top_p * total)
    out[..., 0] = False
    return values.masked_fill(out, 0), tokens


def _all_passed(values: Tensor, total: Tensor, decoding: Decoding) -> bool:
    """True when nothing smaller than these values (..., K), largest first, can pass `top_p` or `min_p`."""
    if decoding.top_p < 1 and bool((values.sum(-1, keepdim=True) >= decoding.top_p * total).all()):
        return True
    return decoding.min_p > 0 and bool((values[..., -1] < decoding.min_p * values[..., 0]).all())
