"""The command line: `python -m models.convert vqgan …` and `python -m models.convert clipcap …`; `--help` says more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common.errors import AtelierError


def main(argv: Sequence[str]) -> int:
    """Convert what the arguments name; returns the exit status, and prints one sentence when something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m models.convert", description="Turn a published checkpoint into a folder of safetensors."
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    vqgan = kinds.add_parser("vqgan", help="of taming-transformers or latent-diffusion: a YAML file and a .ckpt")
    vqgan.add_argument("--config", required=True, type=Path, metavar="YAML", help="the model's configuration")
    vqgan.add_argument("--checkpoint", required=True, type=Path, metavar="CKPT", help=".ckpt, .pt or .safetensors")
    vqgan.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="new folder; inside --hub-folder or weights/ it is found"
    )
    clipcap = kinds.add_parser("clipcap", help="of CLIP_prefix_caption: a .pt file")
    clipcap.add_argument("--checkpoint", required=True, type=Path, metavar="PT", help=".pt, .pth or .safetensors")
    clipcap.add_argument(
        "--gpt2", required=True, metavar="DIR_OR_REPO", help="GPT-2's config and tokenizer: a folder, or a repository"
    )
    clipcap.add_argument("--clip", required=True, metavar="NAME", help="the ranker it was trained with")
    clipcap.add_argument("--out", required=True, type=Path, metavar="DIR", help="new folder, as above")
    clipcap.add_argument(
        "--normalise",
        action=argparse.BooleanOptionalAction,
        help="whether CLIP's vectors are to have unit length (as published: yes for Transformer, no for MLP mappers)",
    )
    arguments = parser.parse_args(argv)
    try:
        print(_convert(arguments))
    except AtelierError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _convert(arguments: argparse.Namespace) -> str:
    if arguments.kind == "clipcap":
        from models.convert.clipcap import convert as convert_clipcap

        asked = arguments.checkpoint, arguments.gpt2, arguments.clip, arguments.out, arguments.normalise
        return convert_clipcap(*asked)
    from models.convert.vqgan import convert

    return convert(arguments.config, arguments.checkpoint, arguments.out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
