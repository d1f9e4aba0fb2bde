"""What is changed about a network's opinion before words are chosen: temperature, and words that come again."""

from __future__ import annotations

import torch
from torch import Tensor

from models.families.caption_contract import Decoding


def adjusted(logits: Tensor, log_probs: Tensor, tokens: Tensor, decoding: Decoding) -> Tensor:
    """Logits (N, B, V), their log-softmax, and the tokens so far (N, B, T) -> log-probabilities to choose by.

    What is penalised is not normalised again. Raises nothing; where nothing is asked for, `log_probs` itself.
    """
    if decoding.temperature != 1:
        log_probs = (logits / decoding.temperature).log_softmax(-1)
    if tokens.shape[-1] == 0:
        return log_probs
    if decoding.repetition_penalty != 1:
        log_probs = penalise(log_probs, tokens, decoding.repetition_penalty)
    if decoding.no_repeat:
        log_probs = forbid_repeats(log_probs, tokens, decoding.no_repeat)
    return log_probs


def penalise(log_probs: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """The log-probabilities of tokens that were used, times the penalty (Keskar et al. 2019, section 4.1)."""
    return log_probs.scatter(-1, tokens, log_probs.gather(-1, tokens) * penalty)


def forbid_repeats(log_probs: Tensor, tokens: Tensor, n: int) -> Tensor:
    """No token that would complete an n-gram which is there already (Paulus et al. 2017, section 2.5)."""
    if tokens.shape[-1] < n:
        return log_probs
    grams = tokens.unfold(-1, n, 1)  # (N, B, G, n)
    tail = tokens[..., tokens.shape[-1] - n + 1 :]  # the last n - 1
    again = (grams[..., :-1] == tail[..., None, :]).all(-1)  # (N, B, G)
    worst = torch.where(again, float("-inf"), 0.0).to(log_probs.dtype)
    return log_probs.scatter_add(-1, grams[..., -1], worst)
