"""What the starter pack's painters remember: ``python -m training.memory --export weights/pictograms-ldm``.

From the codes that ``training.latents`` made, without training anything: the networks that are shipped take any
pictogram for a neighbour, so the memory can grow without them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import VQModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.families.pictograms_memory import Memory
from models.families.pictograms_query import COLOURS, STYLES
from models.families.sentence import SentenceEncoder
from training.pictures import PAINTED, Pictograms


def build_memory(data: Pictograms, codes: dict[str, Tensor], vqgan: VQModel, sentence: SentenceEncoder) -> Memory:
    """The retrieval memory of the data's sources: first the rows of ``data.rows`` in their order, then all others.

    People ask for rockets and snowmen, so the shipped memory holds the held-out pictures too; training and evaluation
    use ``Memory.seen_in_training`` and never meet them.
    """
    whole = [k for k, record in enumerate(data.records) if data.sources is None or record["source"] in data.sources]
    others = np.setdiff1d(whole, data.rows)
    rows = np.concatenate([data.rows, others])
    concepts: dict[str, int] = {}
    concept_of = [concepts.setdefault(data.records[row]["concept"], len(concepts)) for row in rows]
    first = {}
    for row in rows:
        first.setdefault(data.records[row]["concept"], data.records[row])
    names = [first[concept]["name"] for concept in concepts]
    described = [", ".join([r["name"], *r["keywords"][:6]]) for r in (first[concept] for concept in concepts)]
    with torch.no_grad():
        white = vqgan.quantize(vqgan.encode(torch.ones(1, 3, 128, 128)).latents)[0][0, :, 8, 8]
    return Memory(
        full=codes["full"][torch.from_numpy(rows)].long(),
        half=codes["half"][torch.from_numpy(rows)].long(),
        concept_of=torch.tensor(concept_of),
        vectors=torch.stack([encode_all(sentence, names), encode_all(sentence, described)], 1),
        white=white,
        codebook=vqgan.quantize.embedding.weight.detach().clone(),
        names=tuple(names),
        trained=len(data.rows),
        style_of=torch.tensor([list(STYLES).index(data.records[row]["style"]) for row in rows]),
        colours_of=torch.tensor([[c in (data.records[row].get("colors") or ()) for c in COLOURS] for row in rows]),
    )


def encode_all(sentence: SentenceEncoder, texts: list[str]) -> Tensor:
    """Unit vectors (N, 384) in batches."""
    return torch.cat([sentence.encode(texts[start : start + 64]).cpu() for start in range(0, len(texts), 64)])


def write_memory(memory: Memory, folder: Path) -> None:
    """The memory in the files that ``Memory.read`` reads, each under 10 MB."""
    codes = {"full": memory.full.to(torch.int16), "half": memory.half.to(torch.int16)}
    codes |= {"style_of": memory.style_of.to(torch.int8), "colours_of": memory.colours_of.to(torch.uint8)}
    save_file(
        codes | {"concept_of": memory.concept_of.int(), "white": memory.white.contiguous()},
        folder / "memory-codes.safetensors",
    )
    scale = memory.vectors.abs().amax() / 127  # bytes are enough: a vector keeps a cosine of 0.9999 with itself
    texts = {"vectors": (memory.vectors / scale).round().to(torch.int8), "scale": scale}
    save_file(texts, folder / "memory-texts.safetensors")
    (folder / "memory.json").write_text(json.dumps({"names": memory.names, "trained": memory.trained}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--latents", type=Path, default=Path("data/latents"), help="what training.latents wrote")
    parser.add_argument("--vqgan", type=Path, default=Path("weights/pictograms-vqgan"))
    parser.add_argument("--export", type=Path, default=Path("weights/pictograms-ldm"))
    args = parser.parse_args()
    codes, vqgan = load_file(args.latents / "memory.safetensors"), VQModel.from_pretrained(args.vqgan).eval()
    memory = build_memory(Pictograms(args.data, sources=PAINTED), codes, vqgan, SentenceEncoder())
    args.export.mkdir(parents=True, exist_ok=True)
    write_memory(memory, args.export)
    print(f"{len(memory.full)} pictograms of {len(memory.names)} concepts, {memory.trained} of them trained on.")


if __name__ == "__main__":
    main()
