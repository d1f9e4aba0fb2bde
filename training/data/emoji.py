"""Listing the emoji sources: which files to render, under which names and concepts."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from training.data.items import Item, Listing, slug

# Country flags kept out of some 260: they would crowd out things that captions talk about.
_FLAGS_TEXT = "us gb fr de it es jp cn in br ca mx au kr se no fi dk ch nl be pl ua gr tr za eg ar pt ie"
FLAGS = frozenset(_FLAGS_TEXT.split())
# fluentui-emoji file names that differ from today's CLDR names.
ALIASES = {
    "blackbird": "black-bird",
    "hugging-face": "smiling-face-with-open-hands",
    "keycap-asterisk": "002a-20e3",
    "keycap-hashtag": "0023-20e3",
    "knocked-out-face": "face-with-crossed-out-eyes",
    "man-deaf": "deaf-man",
    "woman-deaf": "deaf-woman",
    "person-deaf": "deaf-person",
    "man-merpeople": "merman",
    "woman-merpeople": "mermaid",
    "person-merpeople": "merperson",
    "man-with-bunny-ears": "men-with-bunny-ears",
    "woman-with-bunny-ears": "women-with-bunny-ears",
    "person-with-bunny-ears": "people-with-bunny-ears",
    "man-wrestling": "men-wrestling",
    "woman-wrestling": "women-wrestling",
    "person-wrestling": "people-wrestling",
    "phoenix-bird": "phoenix",
    "pouting-face": "enraged-face",
    "red-triangle": "red-triangle-pointed-up",
    "stuffedbread-flat": "stuffed-flatbread",
} | {
    f"person-{w}": w
    for w in ("elf", "fairy", "genie", "mage", "superhero", "supervillain", "vampire", "zombie")
} | {f"{w}-blonde-hair": f"{w}-blond-hair" for w in ("man", "woman", "person")}  # fmt: skip


_KEYCAPS = {"*": "asterisk", "#": "hash"}


@dataclass(frozen=True)
class Emoji:
    """Name, keywords and group of one emoji; `key` is its hexcode without variation selectors."""

    key: str
    name: str
    keywords: tuple[str, ...]
    group: str | None


def hex_key(code: str) -> str:
    """Lower-case hexcode without FE0F and leading zeros, so that all sources agree on it."""
    return "-".join(p.lstrip("0") for p in code.lower().split("-") if p != "fe0f")


def clean_name(label: str) -> str:
    """Words people would write: "person: red hair" -> "person with red hair"."""
    text = re.sub(r"[“”\"]", "", label.lower().replace("’", "'"))
    text = re.sub(r"\s*\(([^)]*)\)", r" \1", text)
    head, _, tail = text.partition(": ")
    first, _, last = tail.rpartition(", ")
    ways = {
        "": head,
        "flag": f"flag of {tail}",
        "keycap": f"keycap {_KEYCAPS.get(tail, tail)}",
        "family": f"family of {first} and {last}" if first else f"family of {last}",
        "couple with heart": f"{head}, {tail.replace(', ', ' and ')}",
        "kiss": f"{head}, {tail.replace(', ', ' and ')}",
        "person": f"{head} with {tail}",
        "man": f"{head} with {tail}",
        "woman": f"{head} with {tail}",
    }
    if tail == "bald":
        return f"bald {head}"
    return ways.get(head if tail else "", f"{head} {tail}").strip()


def load_emojibase(folder: Path) -> tuple[dict[str, Emoji], set[str]]:
    """(emoji by hex key, hex keys of skin-tone variants) from an unpacked emojibase-data."""
    base = folder / "package"
    groups = json.loads((base / "meta/groups.json").read_text())["groups"]
    table: dict[str, Emoji] = {}
    tones: set[str] = set()
    for row in json.loads((base / "en/data.json").read_text()):
        key = hex_key(row["hexcode"])
        group = groups.get(str(row.get("group")))
        name = clean_name(row["label"])
        tags = [t.lower() for t in row.get("tags", []) if t.lower() != name]
        table[key] = Emoji(key, name, tuple(tags[:12]), group)
        tones.update(hex_key(s["hexcode"]) for s in row.get("skins", []))
    return table, tones


def leave_out(emoji: Emoji) -> str | None:
    """Why this emoji is no training picture, or None when it is one."""
    if emoji.name.startswith("regional indicator") or emoji.group is None:
        return "regional indicator"
    if emoji.group == "component":
        return "component (hair or skin swatch)"
    if emoji.name.startswith("flag of "):
        letters = [int(p, 16) - 0x1F1E6 for p in emoji.key.split("-")]
        code = "".join(chr(97 + n) for n in letters if 0 <= n < 26)
        if code not in FLAGS:
            return "country flag thinned out"
    if emoji.name.endswith("-thirty"):
        return "half-hour clock face"
    return None


def list_files(
    source: str,
    style: str,
    licence: str,
    files: dict[str, Path],
    table: dict[str, Emoji],
    dropped: Counter[str],
) -> Listing:
    """Items for the (hex key -> file) pairs whose emoji is wanted, in the order of the keys."""
    items = []
    for key in sorted(files):
        emoji = table[key]
        reason = leave_out(emoji)
        if reason:
            dropped[reason] += 1
            continue
        items.append(
            Item(
                f"{source}/{key}", source, style, files[key], emoji.name, list(emoji.keywords),
                key, emoji.group, licence,
            )
        )  # fmt: skip
    return Listing(items, dropped)


def list_by_hexcode(
    source: str, style: str, licence: str, folder: Path, suffix: str,
    table: dict[str, Emoji], tones: set[str],
) -> Listing:  # fmt: skip
    """Sources whose files are named by hexcode (Twemoji, Fluent 3D)."""
    dropped: Counter[str] = Counter()
    files: dict[str, Path] = {}
    for path in sorted(folder.glob(f"*{suffix}")):
        key = hex_key(path.stem)
        if key in table:
            if key in files:
                dropped["same emoji twice"] += 1
            files.setdefault(key, path)
        else:
            dropped["skin tone" if key in tones or _has_tone(key) else "unknown code"] += 1
    return list_files(source, style, licence, files, table, dropped)


def _has_tone(key: str) -> bool:
    return any(p in ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff") for p in key.split("-"))


def list_by_name(source: str, style: str, licence: str, folder: Path, table: dict[str, Emoji]) -> Listing:
    """fluentui-emoji: files are named by the CLDR name, with "-default" or a tone at the end."""
    by_slug = {slug(e.name): e.key for e in table.values()}
    # File names drop the words the cleaning adds: "person-red-hair", "keycap-1".
    for emoji in table.values():
        by_slug.setdefault(slug(emoji.name.replace(" with ", " ")), emoji.key)
    by_slug |= {f"{who}-bald": by_slug.get(f"bald-{who}", "") for who in ("person", "man", "woman")}
    dropped: Counter[str] = Counter()
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.svg")):
        stem = path.stem
        if re.search(r"-(dark|light|medium)$", stem):
            dropped["skin tone"] += 1
            continue
        stem = stem.removesuffix("-default")
        stem = ALIASES.get(stem, stem)
        key = stem if hex_key(stem) in table else by_slug.get(stem)
        key = hex_key(key) if key else None
        if key is None or key not in table:
            dropped["unknown name"] += 1
            continue
        if key in files:
            dropped["same emoji twice"] += 1
        files.setdefault(key, path)
    return list_files(source, style, licence, files, table, dropped)
