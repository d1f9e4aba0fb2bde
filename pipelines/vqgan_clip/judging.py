"""The score of finished pictures, by a CLIP that was not optimised where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.images import to_pil
from pipelines.services import Services
from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip.pictures import Pictures, fractions
from pipelines.vqgan_clip.request import NO_JUDGE, VqganClipRequest

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

BIASED = (
    "The scores are those of the CLIP that was optimised, for there is no other; they say how far the run came, not "
    "how good the pictures are."
)


class Judge:
    """Scores pictures by what a request wants to see at its end: its last scene, its regions' words, its image prompts.

    `name` is the ranker's, `fair` whether it was not optimised itself.
    """

    def __init__(self, request: VqganClipRequest, pictures: Pictures, services: Services, device: str | None) -> None:
        self.fair = request.judge != NO_JUDGE
        self.name = request.judge if self.fair else request.clips[0]
        self._services, self._device = services, device
        self._prompts = [to_pil(fractions(picture)[None])[0] for picture in pictures.prompts]
        self._weights = [each.weight for each in request.image_prompts]
        self.tell(request)

    def tell(self, request: VqganClipRequest) -> None:
        """Judge by the words of this request from now on."""
        words = grammar.parse(request.prompts)[-1] if request.prompts.strip() else ()
        for region in request.regions:
            words += grammar.parse(region.prompts)[0]
        self._words = words

    def scores(self, images: Sequence[Image]) -> list[float]:
        """Per picture the mean of its cosines with the prompts, by their weights; a negative one counts against it.

        In [-1, 1]; 0 for a request of noise prompts alone. Raises OutOfMemory when the judge does not fit beside what
        is loaded.
        """
        import torch

        scorer, weights = self._services.scorer, [prompt.weight for prompt in self._words] + self._weights
        goals: list[Tensor] = []
        if self._words:
            goals.append(scorer.text_vectors(self.name, [prompt.text for prompt in self._words], self._device))
        if self._prompts:
            goals.append(scorer.image_vectors(self.name, self._prompts, self._device))
        if not any(weights):
            return [0.0 for _ in images]
        cosines = scorer.image_vectors(self.name, images, self._device) @ torch.cat(goals).T  # (N, P)
        share = torch.tensor(weights) / sum(map(abs, weights))
        return (cosines @ share).tolist()

    def note(self) -> str:
        """What has to be said about the scores; "" for nothing."""
        return "" if self.fair else BIASED
