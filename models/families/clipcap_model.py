"""ClipCap (Mokady et al. 2021): a picture's CLIP vector, mapped to a prefix that GPT-2 continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest, ModelUnavailable
from models.families.caption_contract import Decoding
from models.families.clipcap_shapes import GPT, HEADS, MAPPER, ClipCapPlan, read_plan

if TYPE_CHECKING:
    from torch import Tensor

    from models.decoding.gpt2 import Gpt2
    from models.decoding.mappers import MlpMapper, TransformerMapper

CONFIG, KIND = "config.json", "ClipCap"
LARGEST_CONFIG = 2**16
ROWS = 80  # hypotheses in one batch


class ClipCap:
    """Mapper and language model. Vectors go in as the checkpoint was trained on them: `config["normalise"]` says
    whether at unit length, and nothing here changes their length.

    `config`: the folder's. `plan`: the sizes. `mapper`, `language`: the two networks, in one precision.
    """

    def __init__(self, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """`state`: the weights by their published names. Raises BadRequest when shapes contradict each other."""
        from models.decoding.gpt2 import ACTIVATIONS, Gpt2

        self.config = dict(config)
        self.plan = read_plan({name: tuple(value.shape) for name, value in state.items()}, config["gpt2"])
        activation = config["gpt2"].get("activation_function", "gelu_new")
        if activation not in ACTIVATIONS:
            raise BadRequest(f"The language model's activation is {activation!r}; known are {', '.join(ACTIVATIONS)}.")
        self.mapper = _mapper(self.plan)
        self.mapper.load_state_dict(_under(state, MAPPER), assign=True)
        self.mapper.requires_grad_(False).eval()
        self.language: Gpt2 = Gpt2.from_state(config["gpt2"], _under(state, GPT))

    @classmethod
    def from_folder(cls, folder: str | Path, precision: str = "fp32", device: str = "cpu") -> ClipCap:
        """The ClipCap in a folder that `python -m models.convert clipcap` or the training wrote.

        Raises ModelUnavailable when there is none, BadRequest when its parts contradict each other, and what
        safetensors raises for damaged files.
        """
        import torch
        from safetensors.torch import load_file

        folder = Path(folder)
        config = read_config(folder)
        shards = sorted(folder.glob("*.safetensors"))
        if config is None or not shards:
            raise ModelUnavailable(f"{folder.name} holds no ClipCap; make one with: python -m models.convert clipcap")
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        state: dict[str, Tensor] = {}
        for shard in shards:
            state |= {name: value.to(dtype) for name, value in load_file(shard).items()}
        return cls(config, state).to(device)

    @property
    def device(self) -> str:
        """Where the networks are."""
        return str(self.language.head.device)

    def to(self, device: str) -> ClipCap:
        """Move both networks to `device`."""
        self.mapper.to(device)
        self.language.to(device)
        return self

    @property
    def told(self) -> int:
        """How many tokens of names are told behind the mapper's prefix (see `clipcap_names`)."""
        names = self.config.get("names")
        return names["slots"] * names["length"] if names else 0

    def prefix(self, clip_embeddings: Tensor, names: Tensor | None = None) -> Tensor:
        """CLIP vectors (N, d), float, and the tokens of names (N, n) int64 that are told, if any -> the prefix
        (N, P + n, D) in the networks' precision; gradients flow.

        Raises BadRequest for vectors of another size than the mapper's.
        """
        import torch

        vectors = torch.as_tensor(clip_embeddings).to(self.language.head)
        if vectors.ndim != 2 or vectors.shape[1] != self.plan.clip_size:
            raise BadRequest(
                f"CLIP vectors have shape {tuple(vectors.shape)}; this ClipCap reads (N, {self.plan.clip_size})."
            )
        prefix = self.mapper(vectors)
        return prefix if names is None else torch.cat([prefix, self.language.embed(names.to(prefix.device))], 1)

    def logits(self, clip_embeddings: Tensor, tokens: Tensor | None = None, names: Tensor | None = None) -> Tensor:
        """CLIP vectors (N, d), names that are told (N, n), and a text (N, T) int64 behind the prefix -> logits
        (N, P + n + T, V) float32 of what comes after each position; gradients flow."""
        import torch

        vectors = self.prefix(clip_embeddings, names)
        if tokens is not None:
            vectors = torch.cat([vectors, self.language.embed(tokens.to(vectors.device))], 1)
        return self.language.logits(self.language(vectors))

    def generate(
        self,
        clip_embeddings: Tensor,
        beams: int = 5,
        max_tokens: int = 20,
        stop_id: int | None = 13,
        length_penalty: float = 1.0,
    ) -> list[list[tuple[list[int], float]]]:
        """Beam search: for each CLIP vector (N, d) its `beams` captions, best first.

        Each is its tokens, the stop token `stop_id` included, and the natural logarithm of its probability. They are
        ranked by that over length ** `length_penalty`; at 1 the tokens are those of the original decoding.
        Raises BadRequest for values that are not allowed.
        """
        import torch

        from models.decoding.search import Tokens, make_search

        how = {"max_tokens": max_tokens, "length_penalty": length_penalty}
        decoding = Decoding(beams=beams, count=beams, done_list=False, **how)  # the original has no list
        self.check_length(max_tokens)
        answers = []
        with torch.inference_mode():
            for part in self.prefix(clip_embeddings).split(max(1, ROWS // beams)):
                network = self.language.begin(part, beams, max_tokens)
                search = make_search(network, decoding, Tokens(() if stop_id is None else (stop_id,)))
                while not search.finished:
                    search.step()
                answers += [[(list(each.tokens), sum(each.log_probs)) for each in found] for found in search.results]
        return answers

    def check_length(self, tokens: int) -> None:
        """Raise BadRequest when prefix and so many tokens are more than the language model reads."""
        room = self.language.positions - self.plan.prefix - self.told
        if tokens > room:
            raise BadRequest(f"{tokens} tokens are asked for; after its prefix this model has room for {room}.")


def read_config(folder: Path) -> dict[str, Any] | None:
    """The config of the ClipCap in `folder`, or None when there is none."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            return None
        config = json.loads(path.read_text(encoding="utf-8"))
        known = config["kind"] == KIND and isinstance(config["gpt2"], dict) and isinstance(config["normalise"], bool)
        known = known and isinstance(config["clip"], str)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # not there, or of something else
        return None
    return config if known else None


def make_config(
    plan: ClipCapPlan,
    clip: str,
    normalise: bool,
    gpt2: Mapping[str, Any],
    tokenizer: str,
    stop: list[int],
    features: bool | str = False,
    reranking: Mapping[str, float] | None = None,
    names: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The content of a ClipCap folder's config.json.

    `clip`: a ranker of the catalog. `normalise`: whether its vectors have unit length. `gpt2`: the language model's
    own config. `tokenizer`: where its tokenizer, whose files lie beside, came from. `stop`: tokens that end a caption.
    `features`: whether it reads what CLIP's tower saw before its projection, or "both" that and the vector.
    `reranking`: {"beams", "weight"} where the CLIP chooses among what the beams found (see `ClipCapCaptioner`).
    `names`: {"slots", "length", "pad"} where names are told (see `clipcap_names`).
    """
    kept = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function")
    kept += ("layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx")
    sizes = {"kind": plan.kind, "prefix_length": plan.prefix, "clip_size": plan.clip_size}
    if plan.kind == "transformer":
        sizes |= {"clip_length": plan.clip_length, "layers": plan.layers, "heads": HEADS}
    return {
        "kind": KIND,
        "mapper": sizes,
        "clip": clip,
        "normalise": normalise,
        "features": features,
        **({"reranking": dict(reranking)} if reranking else {}),
        **({"names": dict(names)} if names else {}),
        "tokenizer": tokenizer,
        "stop": stop,
        "gpt2": {name: gpt2[name] for name in kept if name in gpt2},
    }


def _mapper(plan: ClipCapPlan) -> MlpMapper | TransformerMapper:
    import torch

    from models.decoding.mappers import MlpMapper, TransformerMapper

    with torch.device("meta"):
        if plan.kind == "mlp":
            return MlpMapper(list(plan.widths), plan.prefix)
        return TransformerMapper(
            plan.clip_size, plan.width, plan.prefix, plan.clip_length, plan.layers, plan.inner, HEADS
        )


def _under(state: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
