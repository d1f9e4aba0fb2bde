"""OFA (Wang et al. 2022) as a captioner: the whole network, and how it continues a caption in many hypotheses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.decoding.cache import TreeCache
from models.decoding.gpt2 import vocabulary_logits
from models.ofa.config import OfaConfig
from models.ofa.decoder import Decoder
from models.ofa.encoder import Encoder

TOGETHER = 4  # pictures that are looked at in one go: their maps are large


class Ofa(nn.Module):
    """`words`: how many tokens of the vocabulary may be written, the first ones; all at first."""

    def __init__(self, config: OfaConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.config, self.words, self.scale = config, config.vocab_size, self.encoder.scale

    @property
    def head(self) -> Tensor:
        """The vectors of the words that may be written, (V, W)."""
        return self.encoder.embed_tokens.weight[: self.words]

    def see(self, pixels: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 3, H, W) in [-1, 1] and tokens (T,) int64 -> see `Encoder.forward`."""
        seen = [self.encoder(part, question) for part in pixels.split(TOGETHER)]
        return torch.cat([states for states, _ in seen]), seen[0][1]

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T) int64 of a caption -> (N, T, W)."""
        return self.scale * self.encoder.embed_tokens(tokens)

    def hidden(self, tokens: Tensor, seen: tuple[Tensor, Tensor], looks: list[Tensor] | None = None) -> Tensor:
        """A whole text (N, T) over what `see` gave -> hidden states (N, T, W), nothing kept. `looks`: see `Decoder`."""
        states, places = seen
        biases = self.decoder.biases(tokens.shape[1], places)
        return self.decoder(
            self.embed(tokens),
            self.decoder.remember(states),
            causal(biases.words),
            biases.states[None],
            looks=looks,
        )

    def forward(self, pixels: Tensor, question: Tensor, tokens: Tensor) -> Tensor:
        """Pixels, a question and the texts so far (N, T) int64 -> logits (N, T, V) float32 of what follows."""
        return vocabulary_logits(self.hidden(tokens, self.see(pixels, question)), self.head)

    def looks(self, tokens: Tensor, seen: tuple[Tensor, Tensor]) -> Tensor:
        """How much each token of a text (N, T) looks at each of the states: (N, T, S) float32, rows sum to 1; the mean
        over heads and layers."""
        looks: list[Tensor] = []
        self.hidden(tokens, seen, looks)
        return torch.stack(looks).mean(0).float()


def causal(biases: Tensor) -> Tensor:
    """Biases (layers, H, T, T) -> (layers, 1, H, T, T), minus infinity towards what comes later."""
    later = torch.ones(biases.shape[-2:], dtype=torch.bool, device=biases.device).triu(1)
    return biases.masked_fill(later, float("-inf"))[:, None]


class OfaContinuation:
    """See `models.decoding.search.Continuation`."""

    def __init__(self, model: Ofa, seen: tuple[Tensor, Tensor], opening: Tensor, beams: int, steps: int) -> None:
        """`seen`: what `Ofa.see` gave; `opening`: tokens (T,) that all captions begin with, the start included."""
        states, places = seen
        self.model, self.position = model, len(opening)
        self.opening = opening.expand(len(states), -1)
        self.remembered = model.decoder.remember(states)
        self.biases = model.decoder.biases(len(opening) + steps, places)
        heads = model.decoder.heads
        size = len(opening) + beams * max(steps - 1, 0)
        like = states.new_empty(model.decoder.width // heads)
        self.cache = TreeCache(len(self.remembered), len(states), beams, heads, size, like)
        # Of every token in the cache, where it stands in its text.
        later = torch.arange(len(opening), len(opening) + steps).repeat_interleave(beams)
        self.columns = torch.cat([torch.arange(len(opening)), later]).to(states.device)

    def first(self) -> Tensor:
        """Logits (N, V) of the first token."""
        end = self.position
        words, states = causal(self.biases.words[:, :, :end, :end]), self.biases.states[None, :, :end]
        hidden = self.model.decoder(self.model.embed(self.opening), self.remembered, words, states, self.cache)
        self.cache.begin(end)
        return vocabulary_logits(hidden[:, -1], self.model.head)

    def next(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Logits (N, B, V) after hypothesis b, which is `source[:, b]` continued by `tokens[:, b]`."""
        mask = self.cache.branch(source)  # (N, 1, B, S)
        # The beams of a picture stand where the words of one text would, yet all at the same position.
        mine = self.biases.words[:, :, self.position, self.columns[: mask.shape[-1]]]  # (layers, H, S)
        words = [bias[None, :, None] + mask for bias in mine]
        states = self.biases.states[None, :, self.position : self.position + 1]
        hidden = self.model.decoder(self.model.embed(tokens), self.remembered, words, states, self.cache)
        self.cache.advance()
        self.position += 1
        return vocabulary_logits(hidden, self.model.head)

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64."""
        self.cache.keep(pictures)
        self.remembered = [(keys[pictures], values[pictures]) for keys, values in self.remembered]
