"""Build the training pictures: named pictograms in several styles, 128x128 RGBA.

    python -m training.data.pictograms --out data/pictograms

Each source and style becomes one finished part under `<out>/parts`, so an interrupted run goes on
where it stopped; the parts are then joined into `pictures.npy`, `records.jsonl` and `summary.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from training.data import assemble, parts
from training.data.clipart import list_clipart
from training.data.emoji import list_by_hexcode, list_by_name, load_emojibase
from training.data.iconify import list_emoji_set, list_silhouettes
from training.data.icons import ICON_SETS, list_icons
from training.data.items import Listing, slug
from training.data.sources import ARCHIVES, SourceMissingError, provide

# part name -> (archive key, style word)
SOURCES: dict[str, tuple[str, str]] = {
    "fluent3d": ("fluent3d", "3D"),
    "fluent-flat": ("fluent", "flat"),
    "fluent-contrast": ("fluent", "high contrast"),
    "twemoji": ("twemoji", "cartoon"),
    "openclipart": ("openclipart", "clip art"),
    "noto": ("noto", "cartoon"),
    "noto-v1": ("noto-v1", "cartoon"),
    "emojione": ("emojione", "flat"),
    "fxemoji": ("fxemoji", "flat"),
    "streamline": ("streamline-emojis", "cartoon"),
    "game-icons": ("game-icons", "high contrast"),
    **{name: (name, style) for name, (style, _) in ICON_SETS.items()},
}


def list_source(name: str, folder: Path, emojibase: Path) -> Listing:
    """The listing of one source, given its unpacked archive and that of emojibase-data."""
    archive, style = SOURCES[name]
    licence = ARCHIVES[archive].licence
    table, tones = load_emojibase(emojibase)
    if name == "fluent3d":
        assets = folder / "package/assets"
        return list_by_hexcode(name, style, licence, assets, ".webp", table, tones)
    if name == "twemoji":
        return list_by_hexcode(name, style, licence, folder / "package", ".svg", table, tones)
    if name == "openclipart":
        return list_clipart(folder, licence, {slug(e.name): e.key for e in table.values()})
    if name == "game-icons" or name in ICON_SETS:
        list_set = list_icons if name in ICON_SETS else list_silhouettes
        return list_set(name, style, licence, folder, {slug(e.name): e.key for e in table.values()})
    if archive in ("noto", "noto-v1", "emojione", "fxemoji", "streamline-emojis"):
        return list_emoji_set(name, style, licence, folder, table)
    # The package's third folder, "modern", draws the very pictures of Fluent 3D, so it is not used.
    sub = {"fluent-flat": "flat", "fluent-contrast": "high-contrast"}
    return list_by_name(name, style, licence, folder / "package/icons" / sub[name], table)


def build_source(
    name: str, out: Path, cache: Path, args: argparse.Namespace, say: Callable[[str], None]
) -> dict | None:
    """Make one part unless it is there already; None when its archive cannot be had."""
    try:
        emojibase, emoji_sum = provide("emojibase", cache)
        folder, checksum = provide(SOURCES[name][0], cache)
    except SourceMissingError as problem:
        say(f"Skipping {name}: {problem}")
        return None
    mark = {
        "archive_sha256": checksum, "emojibase_sha256": emoji_sum,
        "size": args.size, "limit": args.limit, "format": parts.FORMAT,
    }  # fmt: skip
    done = parts.finished(out, name, mark)
    if done:
        say(f"{name}: {done['kept']} pictures are already there.")
        return done
    listing = list_source(name, folder, emojibase)
    if args.limit:
        listing.items = listing.items[: args.limit]
    report = parts.build(out, name, listing, mark, args.workers, args.timeout)
    say(f"{name}: {report['kept']} pictures, {sum(report['failures'].values())} failed to render.")
    return report


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="training.data.pictograms", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/pictograms"))
    usual = ",".join(name for name in SOURCES if name not in ICON_SETS)  # no shipped model has seen icon fonts yet
    parser.add_argument("--sources", default=usual, help=f"comma list of source names: {', '.join(SOURCES)}")
    parser.add_argument("--size", type=int, default=128, help="side in pixels, a multiple of 16")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds for one picture")
    parser.add_argument("--limit", type=int, default=0, help="pictures per source, 0 for all")
    parser.add_argument("--cache", type=Path, help="folder of archives, default <out>/archives")
    parser.add_argument("--verify", action="store_true", help="only check a finished set")
    args = parser.parse_args(argv)
    unknown = [s for s in args.sources.split(",") if s not in SOURCES]
    if unknown:
        parser.error(f"unknown source {', '.join(unknown)}; there are {', '.join(SOURCES)}")
    if args.size < 16 or args.size % 16:
        parser.error("--size must be a multiple of 16")
    return args


def main(argv: list[str] | None = None) -> int:
    """Build (or with --verify check) the set; returns the exit status."""
    args = parse(argv)
    if args.verify:
        problems = assemble.verify(args.out)
        for problem in problems[:20]:
            print(problem, file=sys.stderr)
        print(f"{args.out}: {'sound' if not problems else f'{len(problems)} problems'}")
        return 1 if problems else 0
    cache = args.cache or args.out / "archives"
    reports: dict[str, dict] = {}
    for name in args.sources.split(","):
        report = build_source(name, args.out, cache, args, print)
        if report:
            reports[name] = report
    if not reports:
        print("No source could be had, so no pictures were made.", file=sys.stderr)
        return 1
    summary = assemble.join(args.out, reports, args.size)
    print(f"{summary['pictures']} pictures: {dict(Counter(summary['split']))}")
    problems = assemble.verify(args.out)
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
