"""Captioning as the original scripts do it: what `benchmarks.captioning` compares with.

After ClipCap's notebook (rmokady/CLIP_prefix_caption) and open_clip's `CoCa.generate`: one picture at a time, and for
every new token the whole sequence again, in every beam, with logits at all positions. Same weights as ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def clipcap_beams(gpt2: Any, prefix: Tensor, beams: int, length: int, stop: int) -> list[list[int]]:
    """A prefix (P, D) and transformers' GPT-2 -> the tokens of each beam, best first."""
    import torch

    def logits(tokens: Tensor) -> Tensor:
        vectors = prefix.expand(len(tokens), -1, -1)
        if tokens.shape[1]:
            vectors = torch.cat([vectors, gpt2.transformer.wte(tokens)], 1)
        return gpt2(inputs_embeds=vectors).logits[:, -1]

    return _beams(logits, beams, length, stop, prefix.device)


def coca_beams(coca: Any, pixels: Tensor, start: int, beams: int, length: int, stop: int) -> list[list[int]]:
    """Pixels (3, H, W) and an open_clip CoCa -> the tokens of each beam, best first. The picture is encoded once per
    beam, and its keys and values once per token, as there."""
    import torch

    with torch.inference_mode():
        latents, embeddings = coca._encode_image(pixels.expand(beams, -1, -1, -1))

    def logits(tokens: Tensor) -> Tensor:
        rows = len(tokens)
        text = torch.cat([tokens.new_full((rows, 1), start), tokens], 1)
        seen = {"image_latent": latents[:rows], "image_embs": embeddings[:rows]}
        return coca(None, text, **seen, output_labels=False)["logits"][:, text.shape[1] - 1]

    return _beams(logits, beams, length, stop, pixels.device)


def _beams(logits: Callable[[Tensor], Tensor], beams: int, length: int, stop: int, device: Any) -> list[list[int]]:
    """The search of ClipCap over a function from the tokens so far (R, T) to the logits (R, V) of the next."""
    import torch

    tokens = torch.zeros(1, 0, dtype=torch.long, device=device)
    totals, lengths = torch.zeros(1, device=device), torch.zeros(1, device=device)
    ended = torch.zeros(1, dtype=torch.bool, device=device)
    with torch.inference_mode():
        for _ in range(length):
            opinions = logits(tokens).float().log_softmax(-1)
            opinions[ended] = float("-inf")
            opinions[ended, 0] = 0
            lengths = lengths + ~ended
            standing, best = ((totals[:, None] + opinions) / lengths[:, None]).flatten().topk(beams)
            source, chosen = best // opinions.shape[1], best % opinions.shape[1]
            tokens = torch.cat([tokens[source], chosen[:, None]], 1)
            lengths, ended = lengths[source], ended[source] | (chosen == stop)
            totals = standing * lengths
            if ended.all():
                break
    order = (totals / lengths).argsort(descending=True).tolist()
    return [tokens[row, : int(lengths[row])].tolist() for row in order]
