"""The command line: `python -m models.convert vqgan --config model.yaml --checkpoint last.ckpt --out DIR`."""

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
    arguments = parser.parse_args(argv)
    try:
        from models.convert.vqgan import convert

        print(convert(arguments.config, arguments.checkpoint, arguments.out))
    except AtelierError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
