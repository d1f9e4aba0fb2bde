"""`python -m safeguards FILE...`: print the recipe of pictures and films, or say that there is none.

Exit status 0 when every file had one, 1 when one had none, 2 when one could not be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from common.errors import AtelierError
from safeguards.recipe import read
from safeguards.wording import file_name, printable


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON table a file, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m safeguards", description="Print the recipe inside pictures and films."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a PNG, JPEG, WebP or GIF picture or an MP4 film")
    status = 0
    for path in parser.parse_args(argv).files:
        try:
            found = read(path)
        except AtelierError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        if found is None:
            print(f"{file_name(path)} carries no recipe.")
            status = max(status, 1)
            continue
        # Line by line, because only the line breaks of the JSON itself may reach the terminal as they are.
        lines = json.dumps(asdict(found), indent=2, ensure_ascii=False).split("\n")
        text = "\n".join(map(printable, lines))
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding))
    return status


if __name__ == "__main__":
    sys.exit(main())
