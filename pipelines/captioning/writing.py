"""One captioner at work: batches that shrink when memory runs out, and pictures that fail alone."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.errors import AtelierError
from models.devices import free_memory, is_out_of_memory
from models.families.caption_contract import Caption, Captioner, Decoding

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

PATIENCE = 3  # pictures that may fail one after another before the captioner itself is to blame
NOTHING = "No caption was found that is as asked. Try more beams, more tokens or fewer required words."


@dataclass(frozen=True)
class Drafts:
    """The texts so far of the best captions of the pictures of a batch, by number, after `tokens` tokens."""

    texts: Mapping[int, str]
    tokens: int


@dataclass(frozen=True)
class Written:
    """The captions of some pictures by number, best first, or for each a sentence that says why it has none."""

    captions: Mapping[int, tuple[Caption, ...]] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)


class Writing:
    """`size` is how many pictures to hand over at once; it falls when they turn out to need too much memory."""

    def __init__(self, model: Captioner, decoding: Decoding, size: int, device: str) -> None:
        self.size = size
        self._model, self._decoding, self._device = model, decoding, device
        self._failed, self._succeeded = 0, False

    def write(self, images: Mapping[int, Image]) -> Iterator[Drafts | Written]:
        """Caption RGB pictures, given by number: drafts after each token, and each picture in one `Written`.

        A batch that fails is tried again in halves, down to the picture that is to blame. Raises what the captioner
        says about the settings, and AtelierError when it can caption nothing at all.
        """
        if not images:
            return
        failure = None
        try:
            with closing(self._model.caption(list(images.values()), self._decoding)) as steps:
                for tokens, said in enumerate(steps, start=1):
                    if said and isinstance(said[0], str):
                        yield Drafts(dict(zip(images, said, strict=True)), tokens)
                    else:
                        made = said
            captions = {number: tuple(each) for number, each in zip(images, made, strict=True)}
        except AtelierError:
            raise
        except Exception as error:  # a picture of a rare shape must not cost the others their captions
            error.__traceback__ = None if is_out_of_memory(error) else error.__traceback__  # it holds the tensors
            failure = error
        if failure is None:
            self._succeeded = True
            empty = [number for number, each in captions.items() if not each]
            yield Written({number: each for number, each in captions.items() if each}, dict.fromkeys(empty, NOTHING))
        elif len(images) > 1:
            yield from self._halves(images, failure)
        else:
            yield Written(errors={number: self._sentence(failure) for number in images})

    def _halves(self, images: Mapping[int, Image], failure: Exception) -> Iterator[Drafts | Written]:
        half = len(images) // 2
        if is_out_of_memory(failure):
            self.size = min(self.size, half)
            free_memory(self._device)
        numbers = list(images)
        while numbers:
            part = numbers[: min(half, self.size)]
            numbers = numbers[len(part) :]
            yield from self.write({number: images[number] for number in part})

    def _sentence(self, failure: Exception) -> str:
        """What to tell about one picture that could not be captioned. Raises AtelierError when none ever could."""
        self._failed += 1
        if is_out_of_memory(failure):
            said = "There is not enough memory to caption it. Try fewer beams, fewer captions or a smaller captioner."
        else:
            said = our_fault(failure)
        if self._failed >= PATIENCE and not self._succeeded:
            raise AtelierError(said)
        return said


def our_fault(failure: Exception) -> str:
    """Log an error that nobody foresaw, and the sentence that tells of it."""
    number = uuid.uuid4().hex[:6].upper()
    logger.error("captioning failed, id %s", number, exc_info=failure)
    return f"Something went wrong on our side (id {number}). Please report this id if it stays so."
