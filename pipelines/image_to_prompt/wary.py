"""Phrases to be wary of: those that are not safe, and those that name an artist."""

from __future__ import annotations

import hashlib
import re

from common.errors import AtelierError
from safeguards.prompts import check_prompt

ARTISTS = "artists"
_SEXUAL = (
    r"nude|nudes|nudity|naked|nsfw|sexy|sexual\w*|porn\w*|erotic\w*|hentai|ecchi|topless|bottomless|lingerie|fetish\w*"
    r"|bdsm|bondage|lewd|genital\w*|penis\w*|vagina\w*|nipples?|orgasm\w*|masturbat\w*|pin-?up girl|playboy|busty"
    r"|cleavage|thicc|orgy|stripper\w*|prostitut\w*|voluptuous"
)
_CRUEL = (
    r"gore|gory|guro|bloodbath|beheaded|beheading|decapitat\w*|dismember\w*|disembowel\w*|mutilat\w*|torture\w*"
    r"|suicid\w*|self-?harm|corpses?|rotting flesh|entrails|massacre|genocide|lynch\w*|execution by|nazi\w*|swastika"
    r"|white power|ku klux klan"
)
_UNSAFE = re.compile(rf"\b({_SEXUAL}|{_CRUEL})\b", re.IGNORECASE)
# Slurs, as the first 12 hex digits of BLAKE2b-128 of the word in lower case: they need not be read here to be found.
_SLURS = """
164b731f024c 1650c6af9649 1cc1fe4aae54 23093fb3c38c 2c6b2bff5bd4 39a4462cc2dd 57b2c15f47a7 5ce48595b1f4
5fad048d61e0 6e602905bd8f 716918e4e926 740d1569ed3e 7755a6a3fc4d 830504cbffcb 92f32b893ae0 a0881172d758
bbef3a683dd5 bd6092f99cd9 bd94e683964d ce5d48492224 d7a7793e1adc dc050fea3c88 e6c0f39eebea e7187c67c01b
e721bf4e3b34 e92d190b4b23 f9abc5ca6ecf
"""
# Light and places are no artists: "by candlelight", "by a lake".
_EVERYDAY = (
    r"an?|the|my|your|our|its|day|night|sea|side|hand|nature|light|water|window"
    r"|(?:candle|fire|moon|sun|star|lamp)\w*"
)
_MADE = (
    r"art|artwork|painted|painting|drawn|drawing|designed|photo|photograph|photographed|illustrated|illustration|work"
    r"|portrait|inspired|influenced"
)
_NAME = rf"(?!(?:{_EVERYDAY})\b)[^\W\d_]"
_ARTIST = re.compile(rf"(?:^|\b(?:{_MADE}) )by {_NAME}|\b(?:style|art|works?) of {_NAME}", re.IGNORECASE)


def flags(phrase: str) -> tuple[str, ...]:
    """ "unsafe" and "artist", as far as they hold for the phrase.

    "unsafe": sexual, cruel or hateful words, or what may never be asked for here. "artist": it says that something is
    by, or in the style of, somebody; words alone do not tell whether that is a person, so this errs on the careful
    side, and a bare name is not recognised.
    """
    found = []
    if _UNSAFE.search(phrase) or _slur(phrase) or _never(phrase):
        found.append("unsafe")
    if _ARTIST.search(phrase):
        found.append("artist")
    return tuple(found)


def _slur(phrase: str) -> bool:
    words = re.findall(r"[^\W\d_]+", phrase.casefold())
    return any(hashlib.blake2b(word.encode(), digest_size=16).hexdigest()[:12] in _SLURS for word in words)


def _never(phrase: str) -> bool:
    try:
        check_prompt(phrase[:2_000], "phrase")
    except AtelierError:
        return True
    return False
