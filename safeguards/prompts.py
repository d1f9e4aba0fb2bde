"""Which words may be asked for."""

from __future__ import annotations

import re
import unicodedata

from common.errors import BadRequest, Blocked

MAX_CHARACTERS = 2_000

# Words that need no company to be refused.
_ALWAYS = re.compile(
    r"\b(lolicons?|lolis?|shotacons?|shotas?|toddlercon|jailbait|pa?edophil\w*|cp porn|child porn\w*|kiddie porn"
    r"|kinderporn\w*|csam|zoophil\w*|bestiality|incest|snuff (film|porn|movie)s?|(gang ?)?rap(e|ed|es|ing|ist|ists))\b"
)
# Words that are refused together, wherever they stand in one prompt.
_YOUNG = re.compile(
    r"\b(child|children|childlike|kids?|kiddies?|toddlers?|infants?|bab(y|ies)|newborns?|pre-?teens?|tweens?|underaged?"
    r"|under-age|minors|school ?(girl|boy|kid|child)(s|ren)?|(little|young|small|preteen|teenage|teen) (girl|boy)s?"
    r"|teens?|teenagers?|adolescents?|kindergart\w+|(1[0-7]|[1-9]) ?-? ?((years?|yrs?) ?-? ?olds?|yo|y/o)"
    r"|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)"
    r"[ -]years?[ -]olds?)\b"
)
_SEXUAL = re.compile(
    r"\b(nude|nudes|nudity|naked|nsfw|sex|sexy|sexual\w*|sexed|porn\w*|erotic\w*|hentai|topless|bottomless|genitals?"
    r"|genitalia|penis\w*|vaginas?|vulvas?|nipples?|orgasm\w*|masturbat\w*|blow ?jobs?|intercourse"
    r"|undress(ed|ing)|aroused|seductive\w*|lewd|fetish\w*|bdsm|lingerie|molest\w*)\b"
)
# Said of animals, plants, colours and sums: taken out before looking, or an oilseed field would be refused.
_HARMLESS = re.compile(
    r"\b(naked (mole[- ]rats?|eyes?|necks?|cakes?|trees?|branch(es)?|rocks?|flames?|bulbs?|singularit(y|ies))"
    r"|nude (colou?r(ed|s)?|pink|beige|lipstick|shades?|heels)|oilseed rape|rape ?seeds?|rape (field|flower|plant)s?"
    r"|rape of (the sabine|europa|proserpina|persephone|lucretia|ganymede)|same[- ]sex|sex ratio"
    r"|baby (blue|pink|carrots?|corn)|kid gloves?|(goat|billy) kids?)\b"
)

_DIGITS_AS_LETTERS = str.maketrans("013457@$!", "oieastasi")


def check_prompt(text: str, name: str = "prompt", *, unwanted: bool = False) -> None:
    """Return in silence when `text` may be asked for.

    With `unwanted` the text says what is *not* to be shown (a negative prompt): it may be empty, and naming something
    there is no request for it. Raises BadRequest for a text that is empty, longer than 2,000 characters or not text,
    and Blocked for what is never made here: sexual pictures of minors, of animals, of force.
    """
    if not isinstance(text, str):
        raise BadRequest(f"The {name} must be text, not {type(text).__name__}. Write what the picture should show.")
    if not text.strip() and not unwanted:
        raise BadRequest(
            f"The {name} is empty. Write a few words about the picture, such as: a smiling cat in 3D style."
        )
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(
            f"The {name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are allowed. Please shorten it."
        )
    for position, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\r\t":
            raise BadRequest(
                f"The {name} contains the character U+{ord(character):04X} at place {position + 1}, which cannot be "
                "shown. Only text, line breaks and tabs are allowed; please remove it."
            )
    if not unwanted and _is_forbidden(text):
        raise Blocked(
            f"The {name} reads as a request for sexual content with minors, animals or force, which is never made "
            "here. If that is a misunderstanding, please say it in other words."
        )


def _is_forbidden(text: str) -> bool:
    plain = _normal(text)
    for reading in (plain, plain.translate(_DIGITS_AS_LETTERS)):
        words = _HARMLESS.sub(" ", reading)
        if _ALWAYS.search(words) or (_YOUNG.search(words) and _SEXUAL.search(words)):
            return True
    return False


def _normal(text: str) -> str:
    """The text as it is read aloud: no accents, no invisible characters, one space between words, lower case."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    seen = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))
    return re.sub(r"[\s_*.]+", " ", seen)
