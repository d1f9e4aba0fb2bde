"""Names of Open Clip Art drawings: reading their metadata and cleaning titles and file names."""

from __future__ import annotations

import html
import re
from pathlib import Path

from training.data.colours import WORDS

_SUITS = {"c": "clubs", "d": "diamonds", "h": "hearts", "s": "spades"}
# Authors who write Italian, French or Portuguese: their words must not pass for English ones.
FOREIGN = re.compile(
    r"architett|rollandin|olivo|celestin|various cliparts|guillou|jean-victor|sergio_luiz|josu_",
    re.IGNORECASE,
)
_UNFIT = re.compile(
    r"martin luther|stripper|pimp|swastika|nazi|naked|nude|socialist|coke|simpson|unesco|\bdebian|gradient"
)
# Titles that name a collection, not the thing drawn; the file name says more.
_COLLECTION = re.compile(
    r"collection|theme|clip ?arts?\b|icon ?set|gramastar|submission|sibmission|^r\d+\b|^images?$"
    r"|^aiga|^etiquette|road signs?$|^map symbols$|^homes|^card$|^people$|^advertising|^australian"
    r"|^simple arrows$|^untitled|^unknown|^drawing|^various|^sallite|boating rules",
    re.IGNORECASE,
)
_NOISE_TEXT = (
    "md aj bw bwh v0 v1 svg png b w r l s f m ii iii aka clip art clipart opencl openclipart "
    "ganson "
    "nicu buculei architetto francesc frances francesco rollandin fra arc benji park pa gerald ger "
    "simpl aiga juliane krug erich schube stefan jarno vas vasa yves guillou pena dave mcol mcolor "
    "bb gnome fs mime etiquette emblem arki by stock mtn rnd anon katastrofsk franc fr "
    "final new copy version draft misc untitled drawing image picture sample test"
)
NOISE = frozenset(_NOISE_TEXT.split())


def read_metadata(text: str) -> tuple[str, list[str], str]:
    """(title, keywords, author) out of an SVG's rdf block; read by pattern, as some are not XML."""
    block = text[:20000]
    title = re.search(r"<dc:title>([^<]*)<", block) or re.search(r"<title[^>]*>([^<]*)<", block)
    bag = re.search(r"<dc:subject>(.*?)</dc:subject>", block, re.DOTALL)
    words = re.findall(r"<rdf:li>([^<]*)</rdf:li>", bag.group(1)) if bag else []
    creator = re.search(r"<dc:creator>.*?<dc:title>([^<]*)<", block, re.DOTALL)
    return (
        _unescape(title.group(1)) if title else "",
        list(dict.fromkeys(w for w in (_unescape(x).lower() for x in words) if w)),
        _unescape(creator.group(1)) if creator else "",
    )


def _unescape(text: str) -> str:
    # Many files were escaped twice ("&amp;eacute;"), and some then read as Latin-1.
    text = html.unescape(html.unescape(text)).strip()
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def clean_title(title: str, author: str = "") -> str:
    """Words a person would use: no counters, file endings, collection or author names."""
    text = re.sub(r"(?i)clip ?art by [^-]* - ", "", title)
    text = re.sub(r"(?i)\.(svg|png)$|\bhotel[ _]icon(?![a-z])", " ", text.strip())
    text = re.sub(r"(?i)\(?\bb ?(&|and|_|n) ?w\b\)?", " black and white ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = re.sub(r"[_/\\|#*+=~,;:()\[\]{}\"<>.!?-]+", " ", text).lower()
    text = re.sub(r"(?<=[a-z])\d+\b|\b\d+\b|\bv\d+\b|\b\d+[a-z]\b", " ", text)
    names = {w for w in re.split(r"[^a-z]+", author.lower()) if len(w) > 2}
    if "architett" in title.lower():
        names |= {"france", "fran"}  # cut-off bits of one author's name
    words = [w for w in text.split() if w not in names and w not in NOISE]
    return " ".join(words).strip(" '")


def in_front(name: str) -> str:
    """Move a trailing adjective to the front: "balloon red" -> "red balloon"."""
    adjectives = "|".join(("simple", "black and white", *WORDS, "grey", "gold", "silver"))
    match = re.fullmatch(rf"(.+?) ({adjectives})", name)
    return f"{match.group(2)} {match.group(1)}" if match else name


def choose_name(stem: str, title: str, author: str, shared: bool, known: set[str], own: set[str]) -> str:
    """The drawing's name: its title, or its file name where the title names a collection.

    Empty when too few of its words are in `known` (keywords that several drawings share) or `own`
    (this drawing's keywords): that sorts out file numbers, bare author names and most titles in
    other languages.
    """
    usable = title and not shared and not _COLLECTION.search(title)
    for candidate in [title, stem] if usable else [stem]:
        name = clean_title(candidate, author)
        words = name.split()
        if not words or len(words) > 7 or len(name) < 3 or _UNFIT.search(name):
            continue
        hits = sum(w in known or w.removesuffix("s") in known for w in words)
        mine = sum(w in own for w in words)
        if hits * 2 >= len(words) or (mine and (hits + mine) * 2 >= len(words)):
            return in_front(name)
    return ""


def special_name(relative: Path) -> str | None:
    """Names for series whose files only carry codes; None for everything else."""
    folder, stem = str(relative.parent), relative.stem
    if folder == "shapes/stars":
        return "star"  # the file names count points and steps
    if folder.startswith("recreation/games/cards"):
        match = re.fullmatch(r"[a-z]+_([cdhs])_(\d+|a)", stem)
        if match:
            rank = match.group(2).replace("a", "ace")
            return f"{rank} of {_SUITS[match.group(1)]} card"
        if re.fullmatch(r"[a-z]+_[cdhs]_[jqk]", stem):
            return ""  # court cards of one deck show a film studio's characters
    return None
