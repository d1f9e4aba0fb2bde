"""Captioning: our cached, batched beam search against the original decoding, on the same random weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.captioning_plot import draw
from benchmarks.captioning_room import in_the_room
from benchmarks.plain_captioning import clipcap_beams, coca_beams
from benchmarks.report import Figure

BEAMS, PREFIX, STOP = 5, 10, 13
GPT2 = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}  # small
# Pictures, tokens, and how many times faster ours is to be.
CASES = ((1, 20, 2.5), (1, 67, 6.0), (8, 20, 12.0), (8, 67, 25.0))
SIZES, THROUGHPUT_TOKENS = (1, 2, 4, 8, 16, 32), 20
COCA, COCA_TOKENS, COCA_PICTURES, COCA_GOAL = "coca_ViT-B-32", 30, 4, 5.0
PLOT = Path(__file__).with_name("captioning.svg")


def measure(bench: Bench) -> list[Figure]:
    """ClipCap at four sizes, captions a second by batch size, CoCa, and the starter pack's captioner where it is."""
    device = bench.services.pool.devices[0]
    ours, theirs = _language_models(device)
    return [
        *(_clipcap(ours, theirs, *case, device) for case in CASES),
        _throughput(ours, device),
        _coca(device),
        *in_the_room(bench),
    ]


def _language_models(device: str) -> tuple[Any, Any]:
    """The same GPT-2 with random weights, as ours and as transformers'."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from models.decoding.gpt2 import Gpt2

    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(**GPT2, bos_token_id=0, eos_token_id=0)).eval().requires_grad_(False)
    return Gpt2.from_state(GPT2, theirs.state_dict()).to(device), theirs.to(device)


def _clipcap(ours: Any, theirs: Any, pictures: int, tokens: int, goal: float, device: str) -> Figure:
    prefix = _prefixes(pictures, device)
    mine = _seconds(lambda: _ours(ours, prefix, tokens), device)
    clipcap_beams(theirs, prefix[0], BEAMS, tokens, STOP)  # to warm up, as ours did
    _finish(device)
    began, plain = time.perf_counter(), []
    for each in prefix:  # one at a time, as the original does; long enough to be timed once
        plain.append(clipcap_beams(theirs, each, BEAMS, tokens, STOP))
    _finish(device)
    seconds = time.perf_counter() - began
    same = sum(a == b for a, b in zip(_ours(ours, prefix, tokens), plain, strict=True))
    what = f"ClipCap, GPT-2 small, {BEAMS} beams, {pictures} picture(s), {tokens} tokens, against the original decoding"
    faster = seconds / mine
    about = {"times_faster": faster, "pictures_with_the_same_beams": same}
    name = f"captioning_clipcap_{pictures}x{tokens}"
    return Figure(name, what, mine, seconds, "s", f"at least {goal:g} times faster", faster >= goal, about)


def _throughput(model: Any, device: str) -> Figure:
    """Captions a second for each batch size, and a plot of it."""
    rows = []
    for pictures in SIZES:
        prefix = _prefixes(pictures, device)
        seconds = _seconds(lambda prefix=prefix: _ours(model, prefix, THROUGHPUT_TOKENS), device)
        rows.append({"pictures": pictures, "captions_per_second": pictures / seconds})
    best = max(rows, key=lambda row: row["captions_per_second"])
    below = f"pictures at once ({BEAMS} beams each, {device.partition(':')[0]})"
    PLOT.write_text(draw([tuple(row.values()) for row in rows], below, "captions a second"), encoding="utf-8")
    what = f"ClipCap, {THROUGHPUT_TOKENS} tokens, {best['pictures']} pictures at once, against one"
    first = rows[0]["captions_per_second"]
    return Figure(
        "captioning_throughput", what, best["captions_per_second"], first, "captions/s", details={"rows": rows}
    )


def _coca(device: str) -> Figure:
    """The decoders and the picture's tower, all weights random."""
    import open_clip
    import torch

    from models.decoding.coca import CocaDecoder
    from models.decoding.search import Tokens, make_search
    from models.families.caption_contract import Decoding

    torch.manual_seed(0)
    coca = open_clip.create_model(COCA).eval().requires_grad_(False).to(device)
    torch.nn.init.normal_(
        coca.text_decoder.text_projection, std=coca.text_decoder.width**-0.5
    )  # open_clip leaves it raw
    decoder, size = CocaDecoder(coca), coca.visual.image_size
    size = size[0] if isinstance(size, tuple) else size
    pixels = torch.rand(COCA_PICTURES, 3, size, size, generator=torch.Generator().manual_seed(1)).to(device)
    start, stop = 49406 % decoder.vocabulary, 49407 % decoder.vocabulary
    decoding = Decoding(beams=BEAMS, count=BEAMS, max_tokens=COCA_TOKENS, done_list=False)

    def ours() -> list[list[list[int]]]:
        with torch.inference_mode():
            network = decoder.begin(coca.visual(pixels)[1], torch.tensor([start], device=device), BEAMS, COCA_TOKENS)
        search = make_search(network, decoding, Tokens((stop,)))
        while not search.finished:
            search.step()
        return [[list(each.tokens) for each in found] for found in search.results]

    mine = _seconds(ours, device)
    began = time.perf_counter()
    plain = [coca_beams(coca, each, start, BEAMS, COCA_TOKENS, stop) for each in pixels]
    _finish(device)
    seconds = time.perf_counter() - began
    same = sum(a == b for a, b in zip(ours(), plain, strict=True))
    what = f"CoCa ({COCA}), {BEAMS} beams, {COCA_PICTURES} pictures, {COCA_TOKENS} tokens, against open_clip's way"
    about = {"times_faster": seconds / mine, "pictures_with_the_same_beams": same}
    met = seconds / mine >= COCA_GOAL
    return Figure("captioning_coca", what, mine, seconds, "s", f"at least {COCA_GOAL:g} times faster", met, about)


def _ours(model: Any, prefix: Any, tokens: int) -> list[list[list[int]]]:
    import torch

    from models.decoding.search import Tokens, make_search
    from models.families.caption_contract import Decoding

    decoding = Decoding(beams=BEAMS, count=BEAMS, max_tokens=tokens, done_list=False)  # the original has none
    with torch.inference_mode():
        network = model.begin(prefix, BEAMS, tokens)
    search = make_search(network, decoding, Tokens((STOP,)))
    while not search.finished:
        search.step()
    return [[list(each.tokens) for each in found] for found in search.results]


def _prefixes(pictures: int, device: str) -> Any:
    import torch

    return torch.randn(pictures, PREFIX, GPT2["n_embd"], generator=torch.Generator().manual_seed(pictures)).to(device)


def _seconds(work: Callable[[], Any], device: str, times: int = 2) -> float:
    """The best of a few runs, after one to warm up."""
    work()
    spent = []
    for _ in range(times):
        _finish(device)
        began = time.perf_counter()
        work()
        _finish(device)
        spent.append(time.perf_counter() - began)
    return min(spent)


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
