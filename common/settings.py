"""All settings of a running app, read once from flags, then `ATELIER_*` variables, then defaults.

`Settings.from_command_line` is the only code that reads the environment; everyone else is handed a `Settings`.
"""
# ruff: noqa: RUF009 (`_setting` is `dataclasses.field` with the words for the command line)

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from common.errors import BadRequest

REPOSITORY = Path(__file__).resolve().parent.parent


def _choice(*allowed: str) -> Any:
    def parse(text: str) -> str:
        if text not in allowed:
            raise BadRequest(f"is {text!r}, allowed are {', '.join(allowed)}")
        return text

    return parse


def _whole(minimum: int, maximum: int) -> Any:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
            raise BadRequest(f"is {text!r}, allowed is a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def _amount(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise BadRequest(f"is {text!r}, allowed is a number above 0")
    return number


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise BadRequest(f"is {text!r}, allowed are 1, true, yes, on, 0, false, no, off")
    return words[text.lower()]


def _login(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise BadRequest("must be USER:PASS, with neither of them empty")  # the value itself is a secret
    return user, password


def _folder(text: str) -> Path:
    if not text.strip():
        raise BadRequest("is empty, allowed is the path of a folder")
    return Path(text).expanduser()


def _setting(default: Any, parse: Any, shown: str, help_: str, flag: str = "", secret: bool = False) -> Any:
    about = {"parse": parse, "shown": shown, "help": help_, "flag": flag}
    return field(default=default, repr=not secret, metadata=about)


@dataclass(frozen=True)
class Settings:
    """Everything that may differ between two runs of the app. Sizes are in GB, MB or megapixels, times in minutes."""

    models: str = _setting(
        "auto",
        _choice("auto", "starter", "hub"),
        "{auto,starter,hub}",
        "which models to offer first: the small ones that come with the project, or published checkpoints; "
        "auto takes published ones where a CUDA card and the files are there",
    )
    device: str = _setting("auto", _choice("auto", "cpu", "cuda", "mps"), "{auto,cpu,cuda,mps}", "where models run")
    precision: str = _setting(
        "auto", _choice("auto", "fp32", "bf16", "fp16"), "{auto,fp32,bf16,fp16}", "of the networks' weights"
    )
    host: str = _setting("127.0.0.1", str, "HOST", "address to listen on; 0.0.0.0 lets other machines in")
    port: int = _setting(7860, _whole(0, 65535), "PORT", "port to listen on; 0 takes a free one")
    share: bool = _setting(False, _switch, "", "also make a public link for a few days")
    auth: tuple[str, str] | None = _setting(
        None, _login, "USER:PASS", "ask for this login; the variable keeps it out of the process list", secret=True
    )
    max_memory_gb: float | None = _setting(
        None,
        _amount,
        "GB",
        "memory that loaded models may take on a device (default: 60%% of RAM, 90%% of a CUDA card)",
        flag="--max-memory",
    )
    output: Path = _setting(Path("outputs"), _folder, "DIR", "folder for what is made")
    output_quota_gb: float = _setting(2.0, _amount, "GB", "size at which the oldest outputs are deleted")
    weights: Path = _setting(REPOSITORY / "weights", _folder, "DIR", "folder of the starter models")
    hub_folder: Path | None = _setting(
        None, _folder, "DIR", "folder with published checkpoints, as OWNER--NAME or OWNER/NAME"
    )
    queue_size: int = _setting(30, _whole(1, 10_000), "N", "jobs that may wait at the same time")
    per_owner: int = _setting(3, _whole(1, 1000), "N", "jobs that one visitor may have waiting or running")
    keep_minutes: float = _setting(15.0, _amount, "MIN", "how long a result can be fetched again")
    mcp: bool = _setting(False, _switch, "", "also serve every room as an MCP tool")
    max_upload_mb: float = _setting(20.0, _amount, "MB", "largest upload")
    max_upload_megapixels: float = _setting(40.0, _amount, "MP", "largest picture in an upload")
    public: bool = False  # strangers can reach this app: a share link or a Space

    @classmethod
    def from_command_line(cls, argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
        """Settings from flags (`argv` without the program's name), then `ATELIER_*` in `environ`, then defaults.

        A value that is not allowed prints one sentence and exits with status 2, as argparse does. On a Hugging Face
        Space (it sets SPACE_ID) the default host lets the Space's proxy in.
        """
        on_space = bool(environ.get("SPACE_ID"))
        parser = _make_parser()
        values: dict[str, Any] = {"host": "0.0.0.0"} if on_space else {}
        flags = {name: text for name, text in vars(parser.parse_args(argv)).items() if text is not None}
        for setting in _settable():
            variable = "ATELIER_" + _flag(setting).removeprefix("--").replace("-", "_").upper()
            origin, text = _flag(setting), flags.get(setting.name)
            if text is None:
                origin, text = variable, environ.get(variable, "")
            if text == "" and origin == variable:
                continue  # an empty variable is one that a script did not fill in
            try:
                values[setting.name] = setting.metadata["parse"](text)
            except BadRequest as error:
                parser.error(f"{origin} {error}.")
        values["public"] = bool(values.get("share")) or on_space
        return cls(**values)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")  # one sentence, without twenty lines of usage above it


def _settable() -> list[Any]:
    return [each for each in fields(Settings) if each.metadata]


def _flag(setting: Any) -> str:
    return setting.metadata["flag"] or "--" + setting.name.replace("_", "-")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="app.py",
        description="CLIP Atelier: pictures from words and words from pictures, ranked by CLIP.",
        epilog="Every flag can also be given as an environment variable, --queue-size as ATELIER_QUEUE_SIZE for "
        "example. A flag wins over its variable.",
        allow_abbrev=False,
    )
    for setting in _settable():
        about = setting.metadata
        default = "" if setting.default in (None, False) or setting.name == "weights" else setting.default
        text = about["help"] + (f" (default: {default})" if default != "" else "")
        if about["parse"] is _switch:
            parser.add_argument(_flag(setting), dest=setting.name, action="store_const", const="1", help=text)
        else:
            parser.add_argument(_flag(setting), dest=setting.name, metavar=about["shown"], help=text)
    return parser
