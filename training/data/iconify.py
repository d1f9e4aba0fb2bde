"""Listing the sets that Iconify packs: one ``icons.json`` of SVG bodies by name, always the same way.

Emoji sets bring more hands that drew the same things; Game-icons brings silhouettes of four thousand other things.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from training.data.emoji import ALIASES, Emoji, list_files
from training.data.items import Item, Listing, slug

_NAMELESS = re.compile(r"abstract|\d")  # "abstract-068", "t-shirt-2": no words for what is drawn


def write_svgs(folder: Path) -> list[Path]:
    """The set's icons as SVG files in ``folder``/svg, sorted by name; aliases and withdrawn icons are left out."""
    package = json.loads((folder / "package/icons.json").read_text(encoding="utf-8"))
    sides = {"left": 0, "top": 0, "width": package.get("width", 16), "height": package.get("height", 16)}
    target = folder / "svg"
    target.mkdir(exist_ok=True)
    paths = []
    for name, icon in sorted(package["icons"].items()):
        if icon.get("hidden"):
            continue
        box = " ".join(str(icon.get(key, usual)) for key, usual in sides.items())
        path = target / f"{name}.svg"
        spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        path.write_text(f'<svg {spaces} viewBox="{box}">{icon["body"]}</svg>', encoding="utf-8")
        paths.append(path)
    return paths


def list_emoji_set(source: str, style: str, licence: str, folder: Path, table: dict[str, Emoji]) -> Listing:
    """Emoji sets whose icons are named by (older) CLDR names, with or without hyphens between the words."""
    names = {slug(emoji.name): key for key, emoji in table.items()}
    names |= {old: names[new] for old, new in ALIASES.items() if new in names}
    names |= {name.replace("-", ""): key for name, key in names.items()}
    dropped: Counter[str] = Counter()
    files: dict[str, Path] = {}
    for path in write_svgs(folder):
        stem = re.sub(r"-\d$", "", path.stem)  # Streamline numbers its drawings of one thing: the first is taken
        key = names.get(path.stem) or names.get(stem)
        if key is None:
            dropped["skin tone" if "skin-tone" in stem else "unknown name"] += 1
        elif key in files:
            dropped["same emoji twice"] += 1
        else:
            files[key] = path
    return list_files(source, style, licence, files, table, dropped)


def list_silhouettes(source: str, style: str, licence: str, folder: Path, emoji_slugs: dict[str, str]) -> Listing:
    """Game-icons: what is drawn is the file's name. One equal to an emoji's shares its concept."""
    dropped: Counter[str] = Counter()
    items = []
    for path in write_svgs(folder):
        if _NAMELESS.search(path.stem):
            dropped["no usable name"] += 1
            continue
        key, name = emoji_slugs.get(path.stem, path.stem), path.stem.replace("-", " ")
        items.append(Item(f"{source}/{path.stem}", source, style, path, name, [], key, None, licence))
    return Listing(items, dropped)
