"""Listing icon fonts: thousands of things drawn in few lines, among thousands of buttons that show no thing at all.

Only what a CLIP can learn a word from is listed: icons whose set does not file them under interfaces, and whose names
are one to three words without those of buttons. What is left is noisy: "star" may be a rating. Pictures to paint from
come from elsewhere (``training.pictures.PAINTED``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from training.data.iconify import write_svgs
from training.data.items import Item, Listing

# Set -> its style, and what ends the names of the variant that is taken ("" for the set's usual one).
ICON_SETS: dict[str, tuple[str, str]] = {
    "fa6-solid": ("high contrast", ""),
    "healthicons": ("high contrast", ""),
    "hugeicons": ("high contrast", ""),
    "icon-park": ("flat", ""),
    "lucide-lab": ("high contrast", ""),
    "maki": ("high contrast", ""),
    "mdi": ("high contrast", ""),
    "ph": ("high contrast", "fill"),
    "streamline-color": ("flat", ""),
    "streamline-kameleon-color": ("flat", ""),
    "streamline-plump-color": ("flat", ""),
    "streamline-ultimate-color": ("flat", ""),
    "tabler": ("high contrast", ""),
    "temaki": ("high contrast", ""),
}

# Ends of names that tell variants of one drawing apart.
_VARIANTS = """
alt alternate color colour duo duotone fill filled flat four half line negative one outline outlined simple solid
stroke three two variant
"""
# Words of buttons and brands: a name that has one says nothing of what is drawn.
_BUTTONS = """
a account accounts ad add ai alert alerts algorithm align alpha angle api app application apps arrow arrows auto b
badge bold border bottom box brand c cancel cell center chart check checkbox checked checklist chevron circle circles
clock close code cog collapse column component content control cursor data database delete desc details diagonal
direction disable disabled display dots double down download drag e edit empty end enter error exclamation exit expand
export f file files filter first folder folders font form format forward frame full graph grid group h height history
horizontal html hub i import in indent index info input insert italic kanban key keyboard l label language last layer
layers layout left letter level limit link list lists loader loading login logo logout m mark maximize medium menu
merge message messages minimize minus mode more mouse move multiple n network next no none notification number numeric
o object off on open option options out p page pages panel paragraph password paste path pause percent percentage play
plus pointer position power previous progress protocol question quote r rating rectangle redo refresh reload remove
repeat replace reset resize restore return right rotate row rows ruler s save scan screen script scroll search section
select selection send server set setting settings shape shapes share sheet show shuffle side sidebar signal size slash
small snap social software sort space split square start status step stop strike strikethrough style sub subscript
switch symbol sync t tab table tabs tag tags task tasks text time toggle tool tooltip top transfer transform triangle
turn type u ui undo unlink up update upload user users variable vector vertical view w warning web website width
window windows wrap write x y z zoom
"""
_INTERFACES = re.compile(
    r"abstract|accessib|account|alert|alpha|arrange|arrow|artificial|base|battery|brand|cellphone|character|chart|cloud|code"
    r"|component|connect|content|currency|data|design|developer|edit|file|folder|form|graph|interface|internet|lock|logo"
    r"|mail|math|measure|message|navigation|notif|number|numeric|operate|other|phone|program|setting|shape|social|spinner"
    r"|status|symbol|text|time|toggle|tooltip|typograph|user|vector|video|view",
    re.IGNORECASE,
)
_BRAND = re.compile(r"brand|logo", re.IGNORECASE)


def name_of(stem: str, ending: str) -> str:
    """What a file's name says is drawn, in words; "" when that is nothing, or not the variant with this ``ending``."""
    words = stem.split("-")
    if ending and words[-1] != ending:
        return ""
    while words and (words[-1] in _VARIANTS.split() or words[-1].isdigit()):
        words = words[:-1]
    usable = 0 < len(words) <= 3 and not set(_BUTTONS.split()) & set(words) and all(word.isalpha() for word in words)
    return " ".join(words) if usable and len("".join(words)) > 2 else ""


def interfaces(folder: Path) -> set[str]:
    """Icons that their set files under nothing but interfaces, or under brands. Empty for sets without categories."""
    path = folder / "package/metadata.json"
    categories = json.loads(path.read_text(encoding="utf-8")).get("categories", {}) if path.exists() else {}
    things = {icon for name, icons in categories.items() if not _INTERFACES.search(name) for icon in icons}
    brands = {icon for name, icons in categories.items() if _BRAND.search(name) for icon in icons}
    return {icon for icons in categories.values() for icon in icons} - things | brands


def list_icons(source: str, style: str, licence: str, folder: Path, emoji_slugs: dict[str, str]) -> Listing:
    """The things among the icons of a set. One with an emoji's name shares its concept."""
    left_out, dropped = interfaces(folder), Counter[str]()
    items: dict[str, Item] = {}
    for path in write_svgs(folder):
        name = name_of(path.stem, ICON_SETS[source][1])
        if path.stem in left_out:
            dropped["interface or brand"] += 1
        elif not name:
            dropped["no usable name"] += 1
        elif name in items:
            dropped["same thing twice"] += 1
        else:
            slug = name.replace(" ", "-")
            key = emoji_slugs.get(slug, slug)
            items[name] = Item(f"{source}/{slug}", source, style, path, name, [], key, None, licence)
    return Listing(list(items.values()), dropped)
