"""BLIP, BLIP-2, GIT and Florence-2 of transformers, each seen as: look at pictures, then read on token by token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Network(ABC):
    """A captioning model of transformers.

    `start`: tokens that every text begins with. `positions`: most tokens it can read, or None for no limit.
    """

    start: Sequence[int]
    positions: int | None = None

    def __init__(self, model: Any) -> None:
        self.model = model

    @abstractmethod
    def see(self, pixels: Tensor) -> Tensor:
        """Pixels as the model's own processor makes them -> what its eye sees, (N, S, C) or (N, C, h, w)."""

    @abstractmethod
    def new_cache(self) -> Any:
        """An empty cache of transformers."""

    @abstractmethod
    def begin(self, seen: Tensor, tokens: Tensor, detail: str, cache: Any | None) -> Tensor:
        """What was seen, and the first tokens (N, T) int64 -> logits (N, T, V); gradients flow."""

    @abstractmethod
    def go_on(self, tokens: Tensor, written: int, cache: Any) -> Tensor:
        """The next token of every row (R, 1), `written` having been read before -> logits (R, 1, V)."""

    def grid(self, seen: Tensor) -> tuple[int, int]:
        """Rows and columns of what was seen; a class token, if any, comes first and is not one of them."""
        if seen.ndim == 4:
            return seen.shape[2], seen.shape[3]
        side = int(seen.shape[1] ** 0.5)
        return side, side


class CrossNetwork(Network):
    """One whose words look at the picture by cross-attention, in every layer of the decoder."""

    def new_cache(self) -> Any:
        from transformers import DynamicCache, EncoderDecoderCache

        return EncoderDecoderCache(DynamicCache(), DynamicCache())

    @abstractmethod
    def decode(self, tokens: Tensor, states: Tensor, cache: Any | None) -> Tensor:
        """Tokens (R, T) over encoder states -> logits (R, T, V)."""

    def encode(self, seen: Tensor, detail: str) -> Tensor:
        """What the decoder's words look at, (N, S, C)."""
        return seen

    def begin(self, seen: Tensor, tokens: Tensor, detail: str, cache: Any | None) -> Tensor:
        """See `Network.begin`."""
        return self.decode(tokens, self.encode(seen, detail), cache)

    def go_on(self, tokens: Tensor, written: int, cache: Any) -> Tensor:
        """See `Network.go_on`."""
        # Keys and values of the picture are in the cache; the states are only asked whether they are there.
        return self.decode(tokens, self._placeholder(tokens), cache)

    def _placeholder(self, tokens: Tensor) -> Tensor:
        weight = next(self.model.parameters())
        return weight.new_zeros(len(tokens), 1, 1)


class Blip(CrossNetwork):
    """`BlipForConditionalGeneration` (Li et al. 2022)."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        config = model.config.text_config
        self.start, self.positions = [config.bos_token_id], config.max_position_embeddings

    def see(self, pixels: Tensor) -> Tensor:
        """See `Network.see`."""
        return self.model.vision_model(pixel_values=pixels).last_hidden_state

    def decode(self, tokens: Tensor, states: Tensor, cache: Any | None) -> Tensor:
        """See `CrossNetwork.decode`."""
        return self.model.text_decoder(
            input_ids=tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=cache is not None
        ).logits


class Florence(CrossNetwork):
    """`Florence2ForConditionalGeneration` (Xiao et al. 2023). `prompts`: by detail, the tokens that ask for it, with
    a place for each of the picture's tokens."""

    def __init__(self, model: Any, prompts: dict[str, list[int]]) -> None:
        super().__init__(model)
        self.prompts, config = prompts, model.config.text_config
        forced = getattr(model.generation_config, "forced_bos_token_id", None)
        forced = config.forced_bos_token_id if forced is None and hasattr(config, "forced_bos_token_id") else forced
        self.start = [config.decoder_start_token_id, *([] if forced is None else [forced])]
        self.positions = config.max_position_embeddings

    def see(self, pixels: Tensor) -> Tensor:
        """See `Network.see`."""
        return self.model.model.vision_tower(pixels).last_hidden_state

    def encode(self, seen: Tensor, detail: str) -> Tensor:
        """See `CrossNetwork.encode`."""
        import torch

        inner = self.model.model
        prompt = torch.tensor(self.prompts[detail], device=seen.device)
        vectors = inner.get_input_embeddings()(prompt).expand(len(seen), -1, -1)
        places = (prompt == self.model.config.image_token_id)[None, :, None].expand_as(vectors)
        vectors = vectors.masked_scatter(places, inner.multi_modal_projector(seen).to(vectors))
        return inner.language_model.encoder(inputs_embeds=vectors).last_hidden_state

    def decode(self, tokens: Tensor, states: Tensor, cache: Any | None) -> Tensor:
        """See `CrossNetwork.decode`."""
        hidden = self.model.model.language_model.decoder(
            input_ids=tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=cache is not None
        ).last_hidden_state
        return self.model.lm_head(hidden)


class Git(Network):
    """`GitForCausalLM` (Wang et al. 2022): the picture's tokens stand before the words."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.start, self.positions = [model.config.bos_token_id], model.config.max_position_embeddings

    def see(self, pixels: Tensor) -> Tensor:
        """See `Network.see`."""
        return self.model.git.image_encoder(pixels).last_hidden_state

    def new_cache(self) -> Any:
        """See `Network.new_cache`."""
        from transformers import DynamicCache

        return DynamicCache()

    def begin(self, seen: Tensor, tokens: Tensor, detail: str, cache: Any | None) -> Tensor:
        """See `Network.begin`."""
        import torch
        from transformers.masking_utils import create_causal_mask

        git = self.model.git  # its own forward takes pixels alone
        picture, words = git.visual_projection(seen), git.embeddings(tokens)
        vectors = torch.cat([picture, words], 1)
        is_word = torch.arange(vectors.shape[1], device=vectors.device) >= picture.shape[1]
        # The picture's tokens all see each other, words those before them.
        blocks = torch.where(is_word, -1, 0).expand(len(vectors), -1)
        mask = create_causal_mask(
            config=git.config,
            inputs_embeds=vectors,
            attention_mask=None,
            past_key_values=cache,
            block_sequence_ids=blocks,
        )
        hidden = git.encoder(vectors, attention_mask=mask, past_key_values=cache, use_cache=cache is not None)
        return self.model.output(hidden.last_hidden_state[:, picture.shape[1] :])

    def go_on(self, tokens: Tensor, written: int, cache: Any) -> Tensor:
        """See `Network.go_on`."""
        # Said outright: by itself it would count the picture's tokens too.
        places = tokens.new_full((1, 1), written)
        return self.model(input_ids=tokens, position_ids=places, past_key_values=cache, use_cache=True).logits
