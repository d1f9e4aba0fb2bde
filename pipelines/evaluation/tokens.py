"""A caption as the words that the metrics count: the rules of the Penn Treebank, lower case, punctuation dropped.

Published caption scores are counted on the output of a Java program (Stanford's PTBTokenizer with `-lowerCase`, less
eighteen marks of punctuation; Chen et al. 2015, "Microsoft COCO Captions", section 3.1). These are its rules as far as
captions need them, in one pass of one pattern. It differs where the original knows things by heart, as rare
abbreviations and currencies.
"""

from __future__ import annotations

import html
import re

# What the original throws away, after its own spelling of dashes and dots.
DROPPED = frozenset(("'", "''", "`", "``", '"', ".", "?", "!", ",", ":", "-", "--", "...", ";"))
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "–": "--", "—": "--", "\xa0": " "})

# Words that the Treebank cuts in two although nothing in their spelling says so.
_GLUED = re.compile(r"\b(can)(not)\b|\b(gon|wan)(na)\b|\b(got)(ta)\b|\b(gim|lem)(me)\b|(?<!\w)('t)(is|was)\b")

_TITLES = "mr|mrs|ms|dr|prof|st|sgt|lt|gen|col|capt|jr|sr|inc|ave|blvd|rd|mt|ft|etc|al|vs|e\\.g|i\\.e|u\\.s"
_TOKEN = re.compile(
    rf"""
      (?:https?://|www\.)[^\s()<>\[\]]+              # addresses
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                  # of mail, too
    | [@\#][a-z_]\w*                                # names and topics of the net
    | </?[a-z]+\ ?/?>                               # tags
    | (?:{_TITLES})\.(?!\w) | no\.(?=\s*\d)         # abbreviations keep their point
    | (?:[a-z]\.)+(?!\w)                            # as initials do: u.s.a.
    | [a-z]+(?=n't\b) | n't\b                       # do n't
    | '(?:s|m|d|ll|re|ve|t(?=\ (?:is|was)))\b       # dog 's
    | y'(?=all\b)
    | \d+:\d\d(?=[ap]m\b)                          # 12:30 pm
    | (?<![\w.])[+-]?\d+(?:[.,:/-]\d+)*(?=[^\w-]|$) # 3.50, 10,000, 1/2, -5
    | '\d\ds?\b | '(?:n'|em\b)                      # the '80s, rock 'n' roll
    | [^\W_]\w*? (?=(?:n't|'(?:s|m|d|ll|re|ve))\b)  # the word before those
    | \w+(?:(?:[-./&+]|'(?!(?:s|m|d|ll|re|ve)\b))\w+)*(?:\+\+|\#)?  # t-shirt, o'clock, c++
    | \.\.+ | --+ | \*+ | [!?]+ | [^\s\w]           # marks
    """,
    re.VERBOSE,
)


def tokenize(caption: str) -> list[str]:
    """The words of a caption, in order; a caption of nothing but punctuation has none.

    `"A man's dog isn't here!"` -> `["a", "man", "'s", "dog", "is", "n't", "here"]`
    """
    text = html.unescape(caption).translate(_PLAIN).lower()
    text = _GLUED.sub(lambda found: " ".join(filter(None, found.groups())), text)
    words = (_BRACKETS.get(word, word) for word in _TOKEN.findall(text))
    return [word for word in words if word not in DROPPED and not _is_rule(word)]


def _is_rule(word: str) -> bool:
    return len(word) > 1 and set(word) in ({"-"}, {"."})
