"""Listing Open Clip Art: finding a usable name for each drawing and thinning out the floods."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from training.data.clipart_names import FOREIGN, NOISE, choose_name, read_metadata, special_name
from training.data.items import Item, Listing, slug, stable_unit

ROOT = "usr/share/openclipart/svg"
# How many drawings to keep under a folder (the longest matching prefix counts). These folders hold
# hundreds of near-equal drawings; everything not listed is kept whole.
CAPS: dict[str, int] = {
    "shapes/stars": 20,
    "shapes/arrows": 25,
    "shapes/jigsaw": 10,
    "shapes/flowchart": 6,
    "shapes/callouts": 12,
    "special/gradients": 0,
    "special/patterns": 15,
    "special/examples": 0,
    "unsorted/duplicates": 0,
    "logos": 0,
    "computer/icons": 40,
    "computer/icons/flat-theme": 20,
    "computer/icons/lemon-theme": 20,
    "computer/icons/etiquette-theme": 20,
    "computer/icons/applications": 10,
    "computer/buttons": 15,
    "computer/diagrams": 5,
    "buttons": 15,
    "recreation/games/cards": 20,
    "recreation/games/dice": 8,
    "people/stickmen": 20,
    "people/smilies": 30,
    "people/clothing/pantyhose": 5,
    "signs_and_symbols/flags": 30,
    "signs_and_symbols/flags/semaphore": 5,
    "signs_and_symbols/led": 8,
    "signs_and_symbols/map_symbols": 60,
    "signs_and_symbols/clocks": 10,
    "transportation/aiga-symbols": 80,
    "transportation/roadsigns": 40,
    "transportation/vehicles/hummers": 3,
    "geography": 60,
}
_NO_KEYWORD = frozenset(("hash", "icon", "icons", "unsorted", "clip art", "clipart", "image"))
SAME_NAME = 4  # pictures that may share one name


def _cap_of(relative: str) -> tuple[str, int | None]:
    best = max((p for p in CAPS if f"{relative}/".startswith(f"{p}/")), key=len, default="")
    return best, CAPS.get(best)


@dataclass
class _Drawing:
    path: Path
    title: str
    keywords: list[str]
    author: str
    has_text: bool
    foreign: bool


def _read_all(root: Path) -> tuple[list[_Drawing], Counter[str], set[str]]:
    """All drawings; how often each title occurs; words that several English authors use."""
    rows, titles = [], Counter()
    tagged, said = Counter(), Counter()
    for path in sorted(root.rglob("*.svg")):
        text = path.read_text(encoding="utf-8", errors="replace")
        title, words, author = read_metadata(text)
        foreign = bool(FOREIGN.search(f"{author} {path.stem} {title}"))
        rows.append(_Drawing(path, title, words, author, "<text" in text, foreign))
        titles[title] += 1
        if not foreign:
            tagged.update({p for w in words for p in _words(w)})
            about = re.search(r"<dc:description>([^<]*)<", text[:20000])
            said.update(set(_words(about.group(1).lower())) if about else ())
            if titles[title] == 1:
                said.update(set(_words(title.lower())))
    known = {w for w, n in tagged.items() if n >= 3} | {w for w, n in said.items() if n >= 4}
    return rows, titles, known - NOISE


def _words(text: str) -> list[str]:
    return [w for w in re.split(r"[^a-z]+", text) if len(w) > 2]


def _is_english(keyword: str, known: set[str]) -> bool:
    """Made of common words only, and about the thing drawn rather than about the file."""
    words = _words(keyword)
    return bool(words) and keyword not in _NO_KEYWORD and all(w in known for w in words)


def list_clipart(folder: Path, licence: str, emoji_slugs: dict[str, str]) -> Listing:
    """All usable drawings. A name equal to an emoji's shares its concept, so that the two are
    held out of training together."""
    root = folder / ROOT
    dropped: Counter[str] = Counter()
    rows, titles, known = _read_all(root)
    countries = {w for s in emoji_slugs if s.startswith("flag-of") for w in _words(s)}
    known |= {w for s in emoji_slugs if not s.startswith("flag-of") for w in _words(s)}
    kept: dict[str, list[Item]] = defaultdict(list)
    for row in rows:
        relative = row.path.relative_to(root)
        flag = "signs_and_symbols/flags/" in str(relative) and "semaphore" not in row.path.stem
        own = set() if row.foreign else {p for w in row.keywords for p in _words(w)}
        name = special_name(relative)
        if name is None:
            words = known | countries if flag else known
            shared = titles[row.title] > 6
            name = choose_name(row.path.stem, row.title, row.author, shared, words, own)
        if name and flag and "flag" not in name:
            name = f"flag of {name}"
        cap, limit = _cap_of(str(relative.parent))
        if row.has_text or not name or limit == 0:
            reason = "no usable name" if not name else "needs fonts"
            reason = "left-out folder" if limit == 0 else reason
            dropped[reason] += 1
            continue
        keywords = [w for w in row.keywords if w != name and _is_english(w, known)]
        kept[cap].append(_item(row.path, relative, name, keywords, licence, emoji_slugs))
    return _thin(kept, dropped)


def _item(path: Path, relative: Path, name: str, words: list[str], licence: str, slugs: dict[str, str]) -> Item:
    key = slug(name)
    return Item(
        f"openclipart/{relative.with_suffix('')}", "openclipart", "clip art", path, name,
        words[:12], slugs.get(key) or key, str(relative.parent).replace("_", " "), licence,
    )  # fmt: skip


def _thin(kept: dict[str, list[Item]], dropped: Counter[str]) -> Listing:
    """Apply the folder caps and the cap on equal names, choosing by a hash of the path."""
    items: list[Item] = []
    for cap, group in kept.items():
        group.sort(key=lambda item: stable_unit(item.id))
        limit = CAPS.get(cap, len(group))
        # Distinct names first, so that a capped folder keeps its variety.
        seen: Counter[str] = Counter()
        ranked = []
        for item in group:
            seen[item.name] += 1
            ranked.append((seen[item.name], item))
        ranked.sort(key=lambda pair: pair[0])
        items += [item for _, item in ranked[:limit]]
        dropped["thinned folder"] += max(0, len(ranked) - limit)
    items.sort(key=lambda item: (item.name == "star", stable_unit(item.id)))
    names: Counter[str] = Counter()
    result = []
    for item in items:
        names[item.name] += 1
        if names[item.name] > SAME_NAME and not item.id.startswith("openclipart/shapes/stars"):
            dropped["name used too often"] += 1
        else:
            result.append(item)
    return Listing(sorted(result, key=lambda item: item.id), dropped)
