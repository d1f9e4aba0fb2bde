"""The GPT-2 that a ClipCap checkpoint was built on: its config and its tokenizer, from a folder or from the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import AtelierError, BadRequest

CONFIGS = ("config.json", "gpt2_config.json")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json")
LARGEST = 2**24
SIZES = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")


@dataclass(frozen=True)
class Gpt2Source:
    """`name`: of the folder or the repository. `config`: the content of its config.json. `tokenizer`: transformers',
    None where there is none. `stop`: the full stop, which ends ClipCap's captions."""

    name: str
    config: Mapping[str, Any]
    tokenizer: Any | None
    stop: list[int]


def open_gpt2(source: str) -> Gpt2Source:
    """`source`: a folder, the config file itself, or a repository of the hub, of which only these files are fetched.

    Raises BadRequest when it is none of these or no GPT-2, and AtelierError when the hub cannot be reached.
    """
    path = Path(source)
    if path.is_file():
        return Gpt2Source(path.parent.name, _read_config(path), None, [])
    folder = path if path.is_dir() else _fetch(source)
    configs = [folder / name for name in CONFIGS if (folder / name).is_file()]
    if not configs:
        raise BadRequest(f"There is no config.json of a GPT-2 in {folder.name}.")
    config, name = _read_config(configs[0]), folder.name if path.is_dir() else source
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        return Gpt2Source(name, config, None, [])
    tokenizer = _read_tokenizer(folder)
    return Gpt2Source(name, config, tokenizer, list(tokenizer.encode(".", add_special_tokens=False))[:1])


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("too large")
        config = json.loads(path.read_text(encoding="utf-8"))
        model_type = config.get("model_type", "gpt2")
        sizes = [config[name] for name in SIZES]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRequest(f"{path.name} is not the config of a GPT-2 ({type(error).__name__}: {error}).") from error
    if model_type != "gpt2":
        raise BadRequest(f"{path.name} is the config of a {model_type}, and ClipCap's language model is a GPT-2.")
    if not all(type(size) is int and 0 < size < 2**20 for size in sizes):
        raise BadRequest(f"{path.name} gives sizes that no GPT-2 has: {', '.join(SIZES)} are {sizes}.")
    return config


def _read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer, GPT2Tokenizer

    try:
        named = "tokenizer_class" in (folder / "tokenizer_config.json").read_text(encoding="utf-8")
    except (OSError, ValueError):
        named = False
    try:  # GPT-2's own folder does not say of which class its tokenizer is
        return (AutoTokenizer if named else GPT2Tokenizer).from_pretrained(folder, local_files_only=True)
    except Exception as error:  # what a damaged tokenizer can cause has no end
        raise BadRequest(f"The tokenizer in {folder.name} cannot be read ({type(error).__name__}).") from error


def _fetch(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=["config.json", *TOKENIZER]))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise BadRequest(
            f"--gpt2 is {repository!r}, which is neither a folder here nor a repository of the hub."
        ) from error
    except Exception as error:
        raise AtelierError(
            f"{repository} could not be fetched from the hub ({type(error).__name__}); get its config.json and "
            "tokenizer files into a folder and name that with --gpt2."
        ) from error
