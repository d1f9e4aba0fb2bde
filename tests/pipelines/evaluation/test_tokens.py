from __future__ import annotations

import pytest

from pipelines.evaluation.tokens import tokenize

# Left: captions; right: what Stanford's PTBTokenizer 3.4.1 with -lowerCase made of them, less its punctuation.
TREEBANK = {
    "A man's dog isn't here.": "a man 's dog is n't here",
    "Don't stop; she can't, won't and shan't.": "do n't stop she ca n't wo n't and sha n't",
    "I'm sure they're we've he'd you'll": "i 'm sure they 're we 've he 'd you 'll",
    "A t-shirt, well-lit (half-open) door...": "a t-shirt well-lit -lrb- half-open -rrb- door",
    "He said \"hello\" to 'them' and “curly” ‘single’ quotes": "he said hello to them and curly single quotes",
    "It costs $3.50 or 10,000 & 50% #1 at 5:30 p.m. in the U.S. today.": (
        "it costs $ 3.50 or 10,000 & 50 % # 1 at 5:30 p.m. in the u.s. today"
    ),
    'and/or w/o A/C 1/2 cup 3/4" pipe': "and/or w/o a/c 1/2 cup 3/4 pipe",
    "Mr. Smith and Dr. Jones on St. Mark's": "mr. smith and dr. jones on st. mark 's",
    "two people -- one sitting - one standing — here – there…": "two people one sitting one standing here there",
    "cannot gonna 'tis 'twas lemme": "can not gon na 't is 't was lem me",
    "the dogs' bowls and the 1990's & '90s rock 'n' roll": "the dogs bowls and the 1990 's & '90s rock 'n' roll",
    "café naïve façade Zürich 東京 tower": "café naïve façade zürich 東京 tower",
    "a [bracket] {brace} a*b ~x": "a -lsb- bracket -rsb- -lcb- brace -rcb- a * b ~ x",
    "3D style, 4x4 jeep, 50mm lens, 8k": "3d style 4x4 jeep 50mm lens 8k",
    "Hello!! What?! ok?? !!": "hello !! what ?! ok ?? !!",
    "No. 5 bus, etc. and so on. No. one": "no. 5 bus etc. and so on no one",
    "O'Neill y'all ma'am o'clock": "o'neill y' all ma'am o'clock",
    "-5 degrees, +3, 3-4 people, 2-year-old": "-5 degrees +3 3-4 people 2-year-old",
    "shouldn't've who'd've ain't": "should n't 've who 'd 've ai n't",
    'a sign that says "don\'t walk".': "a sign that says do n't walk",
    "two dogs . they run. a cat,a bird": "two dogs they run a cat a bird",
    "Fish &amp; chips at 12:30pm": "fish & chips at 12:30 pm",
    "e-mail me@x.com https://a.org/b?x=1 C++": "e-mail me@x.com https://a.org/b?x=1 c++",
    "washington d.c. e.g. this, i.e. that": "washington d.c. e.g. this i.e. that",
    ".": "",
    "": "",
}


@pytest.mark.parametrize("caption", TREEBANK)
def test_words_are_those_of_the_treebank(caption):
    assert " ".join(tokenize(caption)) == TREEBANK[caption]


def test_a_caption_of_any_characters_gives_words_without_blanks():
    strange = "".join(map(chr, [*range(0, 0x250), *range(0x2000, 0x2070), 0x1F600, 0xFFFD])) * 3
    words = tokenize(strange)
    assert words and all(word and not any(c.isspace() for c in word) for word in words)


@pytest.mark.parametrize("unit", ["a", "a.", "a-", "a'", "1,", "x@x.", "'s"])
def test_no_letter_of_a_long_row_is_lost(unit):
    kept = [letter for letter in unit * 2_000 if letter.isalnum()]
    assert [letter for letter in "".join(tokenize(unit * 2_000)) if letter.isalnum()] == kept
