"""BLIP-2 of transformers with either kind of language model, and which adapter is whose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.families.blip_networks import Blip, CrossNetwork, Florence, Git, Network

if TYPE_CHECKING:
    from torch import Tensor


class _Blip2(Network):
    """What both kinds of `Blip2ForConditionalGeneration` (Li et al. 2023) share."""

    def see(self, pixels: Tensor) -> Tensor:
        """See `Network.see`."""
        return self.model.vision_model(pixels).last_hidden_state

    def queries(self, seen: Tensor) -> Tensor:
        """What was seen, through the Q-Former -> (N, Q, W) vectors for the language model."""
        asked = self.model.query_tokens.expand(len(seen), -1, -1)
        answers = self.model.qformer(query_embeds=asked, encoder_hidden_states=seen).last_hidden_state
        return self.model.language_projection(answers.to(self.model.language_projection.weight.dtype))


class Blip2Causal(_Blip2):
    """BLIP-2 with OPT: the queries' answers stand before the words."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.start = [model.config.text_config.bos_token_id]
        self.positions = model.config.text_config.max_position_embeddings - model.config.num_query_tokens

    new_cache = Git.new_cache

    def begin(self, seen: Tensor, tokens: Tensor, detail: str, cache: Any | None) -> Tensor:
        """See `Network.begin`."""
        import torch

        queries = self.queries(seen)
        words = self.model.language_model.get_input_embeddings()(tokens)
        vectors = torch.cat([queries.to(words), words], 1)
        logits = self.model.language_model(
            inputs_embeds=vectors, past_key_values=cache, use_cache=cache is not None, logits_to_keep=tokens.shape[1]
        ).logits
        return logits[:, -tokens.shape[1] :]

    def go_on(self, tokens: Tensor, written: int, cache: Any) -> Tensor:
        """See `Network.go_on`."""
        return self.model.language_model(input_ids=tokens, past_key_values=cache, use_cache=True).logits


class Blip2Encoder(_Blip2, CrossNetwork):
    """BLIP-2 with T5, whose encoder reads the queries' answers."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.start = [model.language_model.config.decoder_start_token_id]

    def encode(self, seen: Tensor, detail: str) -> Tensor:
        """See `CrossNetwork.encode`."""
        import torch

        queries, language = self.queries(seen), self.model.language_model
        first = self.model.config.text_config.bos_token_id
        if first is not None:
            words = language.get_input_embeddings()(torch.full((len(seen), 1), first, device=seen.device))
            queries = torch.cat([queries.to(words), words], 1)
        return language.encoder(inputs_embeds=queries).last_hidden_state

    def decode(self, tokens: Tensor, states: Tensor, cache: Any | None) -> Tensor:
        """See `CrossNetwork.decode`."""
        return self.model.language_model(
            decoder_input_ids=tokens, encoder_outputs=(states,), past_key_values=cache, use_cache=cache is not None
        ).logits


def network_of(model: Any, prompts: Callable[[], dict[str, list[int]]]) -> Network | None:
    """The adapter for a model of transformers, or None when there is none. `prompts`: see `Florence`."""
    kind = type(model).__name__
    if kind == "Florence2ForConditionalGeneration":
        return Florence(model, prompts())
    if kind == "Blip2ForConditionalGeneration":
        return Blip2Causal(model) if model.config.use_decoder_only_language_model else Blip2Encoder(model)
    adapters = {"BlipForConditionalGeneration": Blip, "GitForCausalLM": Git}
    return adapters[kind](model) if kind in adapters else None
