"""What of a prompt to look up in the pictogram memory: its things, without style, background and sentence dressing.

The network itself still reads the whole prompt; only the search for neighbours is helped by leaving words away.
"""

from __future__ import annotations

import re

# Longest first, so that "to the left of" is not read as "left of" with something before it.
_RELATIONS = {
    "to the left of": "to the left of",
    "left of": "to the left of",
    "to the right of": "to the right of",
    "right of": "to the right of",
    "on top of": "above",
    "next to": "next to",
    "beside": "next to",
    "above": "above",
    "below": "below",
    "under": "below",
    "(?<!black )and(?! white)": "next to",  # "black and white" is one colour
}
_PAIR = re.compile(rf"^(?P<first>.+?)\s+(?P<relation>{'|'.join(_RELATIONS)})\s+(?P<second>.+)$", re.IGNORECASE)
_BACKGROUND = re.compile(r"(,| on| against| with)? ?(an? |the )?(\w+ ){0,2}background\b", re.IGNORECASE)
_STYLE = re.compile(
    r"\b(in (an? )?(3d|flat|cartoon|high contrast|clip art|emoji) style"
    r"|3d (render|icon)( of)?|3d|(simple |flat |high contrast )?(black and white |black )?(icon|emoji)( of)?"
    r"|flat|clip art( drawing)?( of)?|cartoon( of)?|high contrast|(picture|photo|drawing|image|illustration) of)(?!\w)",
    re.IGNORECASE,
)
_COLOUR = re.compile(
    r"\b((dark|light|bright) )?"
    r"(red|orange|yellow|green|teal|blue|purple|pink|brown|black|white|gr[ae]y|golden|silver)\b",
    re.IGNORECASE,
)
# What people write for the styles of the pictograms, and how these are called in the memory.
STYLES = {
    "3D": r"\b3d\b",
    "flat": r"\bflat\b",
    "cartoon": r"\b(cartoon|emoji)\b",
    "high contrast": r"\b(high contrast|black and white|line art|outline|silhouette)\b",
    "clip art": r"\b(clip ?art|drawing|illustration)\b",
}
COLOURS = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "gray",
)  # fmt: skip
_ARTICLE = re.compile(r"^((an?|the)(\s+|$))+", re.IGNORECASE)


def split_pair(prompt: str) -> tuple[str, str, str] | None:
    """ "a red apple next to a blue cup" -> ("a red apple", "next to", "a blue cup"); None for one object."""
    match = _PAIR.match(prompt.strip())
    if match is None:
        return None
    relation = match["relation"].lower()
    return match["first"], _RELATIONS.get(relation, "next to"), match["second"]


def lookups(prompt: str) -> tuple[str, str]:
    """The thing a prompt asks for, with and without its colours; never empty unless the prompt is.

    "a red car in 3D style on a yellow background" -> ("red car", "car").
    """
    thing = _tidy(_STYLE.sub(" ", _BACKGROUND.sub(" ", prompt))) or _tidy(prompt) or prompt
    return thing, _tidy(_COLOUR.sub(" ", thing)) or thing


def wanted_style(prompt: str) -> str | None:
    """The style that a prompt names, by its name in STYLES; None when it names none."""
    return next((name for name, words in STYLES.items() if re.search(words, prompt, re.IGNORECASE)), None)


def things_alone(prompt: str) -> tuple[str, str] | None:
    """The two things of a prompt, each as a prompt of its own: without background, in its style. None for one thing.

    "a cat and a red dog in 3D style" -> ("a cat in 3D style", "a red dog in 3D style").
    """
    pair, style = split_pair(prompt), wanted_style(prompt)
    if pair is None:
        return None
    bare = [_BACKGROUND.sub("", part).strip(" ,") for part in (pair[0], pair[2])]
    first, second = (part if wanted_style(part) == style else f"{part} in {style} style" for part in bare)
    return first, second


def wanted_colours(thing: str) -> tuple[str, ...]:
    """The colour words in the description of a thing, background left out."""
    words = re.findall(r"[a-z]+", _BACKGROUND.sub(" ", thing).lower().replace("grey", "gray"))
    return tuple(colour for colour in COLOURS if colour in words)


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" ,.;:")
    return _ARTICLE.sub("", text).strip(" ,.;:")
