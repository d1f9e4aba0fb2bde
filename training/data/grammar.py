"""English articles for the names of things."""

from __future__ import annotations

import re

_SILENT = re.compile(r"(hour|honest|honou?r|heir|x-ray|mri|sos|8|11\b|18\b)")
_YOU = re.compile(r"(uni(?!n)|use|usu|u-|u\b|eu|ufo|one\b|once|ukulele|utensil|urin|uk\b|ut[ai])")
_PLURAL_LOOKS_TEXT = (
    "bus cactus glass compass dress lotus octopus walrus hippopotamus rhinoceros iris cross "
    "canvas chess christmas mattress princess waitress actress grass moss brass abacus virus "
    "cutlass fungus tennis lens gas uranus venus mars circus campus platypus toss boss mass "
    "press class genius sinus"
)
_PLURAL_LOOKS = frozenset(_PLURAL_LOOKS_TEXT.split())
_MASS_TEXT = (
    "rice bread money snow fire ice water cheese bacon butter honey milk tea coffee wine beer corn "
    "broccoli garlic salt sushi sashimi spaghetti tofu wood grass hair lightning rain fog wind "
    "clothing jewelry art software hardware tennis golf chess music bamboo celery seaweed"
)
_MASS = frozenset(_MASS_TEXT.split())
_NO_ARTICLE = re.compile(r"(the|no|a|an|my|\d+(st|nd|rd|th)|hundred|two|three|four|five|six)\b")
_CROWD = re.compile(r"\b(men|women|people|children|mice)\b(?! symbol| sign)")
_SPLIT = re.compile(r" (with|of|in|on|at|without|wearing|holding|behind|for|from|under|over)\b")


def with_article(name: str) -> str:
    """Put "a" or "an" before a name that takes one: "apple" -> "an apple", "scissors" as it is."""
    if not name or _NO_ARTICLE.match(name):
        return name
    phrase = _SPLIT.split(name)[0]
    head = phrase.split()[-1]
    plural = head.endswith("s") and not head.endswith("ss") and head not in _PLURAL_LOOKS
    if plural or head in _MASS or _CROWD.search(phrase):
        return name
    vowel = name[0].lower() in "aeiou" and not _YOU.match(name.lower())
    return f"{'an' if vowel or _SILENT.match(name.lower()) else 'a'} {name}"
