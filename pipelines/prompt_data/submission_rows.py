"""What is wrong with the rows of a submission, in one sentence each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from safeguards.wording import shown

NUMBERS = 384
MAX_TOLD = 5  # problems of one kind that are told one by one; the rest is counted
EXTENSION = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?)$", re.IGNORECASE)
_ID = re.compile(r"(.+)_(\d+)")


class RowCheck:
    """Is handed the rows one after the other, and keeps a sentence for each of the first few problems of a kind."""

    def __init__(self, expected: Sequence[str] = ()) -> None:
        self._expected = dict.fromkeys(expected)
        self._told: list[str] = []
        self._counts: Counter[str] = Counter()
        self._first: dict[str, int] = {}  # by image in the order of the file, the row it begins at
        self._seen: dict[str, bytearray] = {}  # by image, which of its numbers there were
        self._image, self._next, self._sound = "", 0, False

    def object(self, kind: str, sentence: str) -> None:
        """Keep a sentence about a problem of this kind."""
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_TOLD:
            self._told.append(sentence)

    def take(self, number: int, row: Sequence[str]) -> None:
        """The row of this number, counted from 1 with the header."""
        if len(row) != 2:
            self.object(
                "another number of values", f"Row {number:,} has {len(row)} values; needed are an id and a number."
            )
            return
        match = _ID.fullmatch(row[0])
        if not match:
            told = f"Row {number:,} has the id {shown(row[0])}; needed is an image's id, _ and a number."
            self.object("an id that is none", told)
            return
        image, element = match[1], int(match[2])
        if image != self._image:
            self._begin(number, image)
        if element >= NUMBERS:
            told = f"Row {number:,} is {shown(row[0])}; the numbers of an image are 0 to {NUMBERS - 1}."
            self.object("a number above 383", told)
        elif self._seen[image][element]:
            self.object("a repeated id", f"Row {number:,} repeats the id {shown(row[0])}.")
        elif element != self._next:
            told = f"Row {number:,} is {shown(row[0])} where {shown(f'{image}_{self._next}')} belongs."
            self.object("a row out of order", told)
        if element < NUMBERS:
            self._seen[image][element] = 1
        self._next = element + 1
        self._value(number, row)

    def finish(self) -> list[str]:
        """All sentences, those about the file as a whole last."""
        self._end()
        if not self._first:
            self.object("no rows", "There are no rows below the header.")
        for image, row in self._first.items():
            if (have := sum(self._seen[image])) != NUMBERS:
                told = f"The image {shown(image)}, which begins at row {row:,}, has {have} different rows; needed are "
                self.object("an image with rows missing", f"{told}{NUMBERS}.")
        for image in self._expected:
            if image not in self._first:
                self.object("a missing image", f"The image {shown(image)} is missing.")
        ours = [image for image in self._first if image in self._expected]
        theirs = [image for image in self._expected if image in self._first]
        if wrong := next((pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]), None):
            told = f"Row {self._first[wrong[0]]:,} begins the image {shown(wrong[0])} where {shown(wrong[1])} belongs: "
            self.object("images out of order", told + "the images must be in the order of the sample submission.")
        counts = ((kind, count - MAX_TOLD) for kind, count in self._counts.items())
        return self._told + [f"{more:,} more times: {kind}." for kind, more in counts if more > 0]

    def _begin(self, number: int, image: str) -> None:
        self._end()
        self._image, self._next, self._sound = image, 0, False
        if image in self._first:
            told = f"Row {number:,} comes back to the image {shown(image)}, whose rows began at {self._first[image]:,}."
            self.object("an image in two places", told)
            self._sound = True  # the zeros of a part say nothing about the whole
            return
        self._first[image], self._seen[image] = number, bytearray(NUMBERS)
        if EXTENSION.search(image):
            right = EXTENSION.sub("", image)
            told = f"Row {number:,} has the id {shown(f'{image}_0')}: it must be {shown(f'{right}_0')}, without the "
            self.object("an id with the extension of a file", told + "extension of the file.")
        elif self._expected and image not in self._expected:
            told = f"Row {number:,} is about the image {shown(image)}, which is not asked for."
            self.object("an image that is not asked for", told)

    def _end(self) -> None:
        """The rows of an image have ended."""
        if self._image and not self._sound:
            where = f"The image {shown(self._image)}, which begins at row {self._first[self._image]:,}, "
            self.object("an image of zeros", where + "has nothing but zeros, which have no cosine.")

    def _value(self, number: int, row: Sequence[str]) -> None:
        try:
            value = float(row[1])
        except ValueError:
            told = f"Row {number:,} ({shown(row[0])}) has {shown(row[1])} where a number belongs."
            self.object("a value that is no number", told)
            self._sound = True  # told already, so not also called a vector of zeros
            return
        if not math.isfinite(value):
            told = f"Row {number:,} ({shown(row[0])}) has the value {row[1].strip()}; it must be finite."
            self.object("a value that is not finite", told)
        self._sound |= value != 0
