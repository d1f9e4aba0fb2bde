"""Training heads and the ensemble's weights: from prompts alone, or from pictures with their prompts."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from common.settings import REPOSITORY
from models.prompting.readers import reader_of
from pipelines import limits
from pipelines.evaluation.bootstrap import Estimate, Statistic, estimates
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.image_index.card import revision_of
from pipelines.image_to_prompt import heads
from pipelines.image_to_prompt.composed import composed
from pipelines.image_to_prompt.heads import FOLDER, KINDS, Head
from pipelines.image_to_prompt.training_pictures import named, vectors_of
from pipelines.prompt_data.prompts_file import read_prompts
from pipelines.services import Services
from pipelines.steps import Result, Run, Step
from safeguards.wording import shown

if TYPE_CHECKING:
    from models.catalog import Catalog
    from models.prompting.readers import Reader

GALLERY = REPOSITORY / "examples" / "gallery"
COMPOSED, PART, MAX_PAIRS = 2_000, 128, 20_000
ZERO_IMAGE = "zero-image"


@dataclass(frozen=True)
class FitHeadRequest:
    """A head to fit. `prompts` is a file of prompts (see `prompt_data.prompts_file`), in `column` or where it is found.

    "zero_image": from the prompts alone, "" for prompts composed of the built-in lists; the pictures in `folder`, or
    those of the app's gallery, show where pictures lie beside texts. "regression": from pictures, whose files in
    `folder` the column of ids names; it starts from the zero-image head of the same ranker where there is one. `name`
    is the head's.
    """

    kind: str
    prompts: str | Path = ""
    folder: str | Path = ""
    column: str = ""
    ranker: str = ""
    name: str = ""
    seed: int = 0

    def resolve(self, catalog: Catalog) -> FitHeadRequest:
        """The same request with every default filled in. Raises BadRequest and ModelUnavailable as others do."""
        kind = limits.one_of("kind of head", self.kind, KINDS, KINDS[0])
        if kind == "regression" and not (str(self.prompts) and str(self.folder)):
            raise BadRequest("A regression head needs a file of prompts and the folder with the pictures it names.")
        if str(self.folder) and not Path(self.folder).is_dir():
            raise BadRequest("The folder with the pictures is not there; choose it again.")
        limits.model(catalog, "sentence", "")
        ranker = limits.model(catalog, "ranker", self.ranker).name
        name = self.name or (ZERO_IMAGE if kind == "zero_image" else "")
        if not name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name) or len(name) > 60:
            raise BadRequest(f"The name of the head is {shown(name)}; allowed are 1 to 60 letters, digits, - and _.")
        seed = limits.whole("seed", self.seed, 0, 2**32 - 1)
        return replace(self, kind=kind, ranker=ranker, name=name, seed=seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitHeadResult(Result):
    """The head that was fitted, and `score`, the mean cosine of its leave-one-out predictions, with its interval."""

    head: Head
    path: Path
    score: Estimate
    notes: tuple[str, ...] = ()


def run(request: FitHeadRequest, services: Services, device: str | None = None) -> Run:
    """Fit and save a head; yields a `Step` after each part and the `FitHeadResult` at the end.

    Raises what `resolve`, `heads.fit` and the model pool raise.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    revision = revision_of(services.catalog.get(request.ranker), services.settings)
    notes: tuple[str, ...] = ()
    with services.pool.use(request.ranker, device) as ranker:
        if request.kind == "zero_image":
            texts = _prompts(request) if str(request.prompts) else composed(COMPOSED, request.seed)
            head = yield from _from_texts(reader_of(ranker), request.ranker, revision, texts, services, device)
            head = yield from _corrected(head, request.folder or GALLERY, services, device)
        else:
            head, notes = yield from _from_pictures(request, revision, services, device)
    path = heads.save(head, head_path(services, request.ranker, request.name))
    score = estimates(Statistic.mean("cosine", head.cosines))["cosine"]
    title = services.catalog.get(request.ranker).title
    seconds = time.monotonic() - began
    yield FitHeadResult(seconds=seconds, model=title, head=head, path=path, score=score, notes=notes)


def head_path(services: Services, ranker: str, name: str) -> Path:
    """Where the head of this name for this ranker lies. Raises BadRequest for a name that is none."""
    if not isinstance(name, str) or not name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise BadRequest(f"The name of the head is {shown(name)}; allowed are letters, digits, - and _.")
    return services.settings.output / FOLDER / ranker / f"{name}.safetensors"


def zero_image_head(
    ranker: str, reader: Reader, services: Services, device: str | None
) -> Generator[tuple[int, int], None, Head]:
    """The ranker's zero-image head: the one that was trained, else one fitted now on composed prompts, and kept.

    Where the gap between texts and pictures is not known to it, the pictures of the gallery show it: they are the same
    for every run, so that the answer for a picture does not depend on those beside it. Yields (read, all) on the way.
    """
    path, revision = (
        head_path(services, ranker, ZERO_IMAGE),
        revision_of(services.catalog.get(ranker), services.settings),
    )
    head = _kept(path, ranker, revision)
    if head is None:
        head = yield from _counted(_from_texts(reader, ranker, revision, composed(COMPOSED, 0), services, device))
    elif head.image_mean is not None:
        return head
    head = yield from _counted(_corrected(head, GALLERY, services, device))
    heads.save(head, path)
    return head


def _kept(path: Path, ranker: str, revision: str) -> Head | None:
    """The head in a file; None when there is none or it was made with other weights of the ranker."""
    try:
        return heads.load(path, ranker, revision)
    except BadRequest:
        return None


def _counted(steps: Generator[Step, object, Head]) -> Generator[tuple[int, int], None, Head]:
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            return done.value
        yield step.number, step.total


def _corrected(head: Head, folder: str | Path, services: Services, device: str | None) -> Generator[Step, object, Head]:
    """The head with the gap that the pictures in a folder show; as it is where none can be read."""
    folder = Path(folder)
    files = sorted(path for path in folder.iterdir() if path.is_file())[:MAX_PAIRS] if folder.is_dir() else []
    vectors, _ = yield from vectors_of(head.ranker, files, services, device)
    return head.corrected(vectors) if len(vectors) else head


def _from_texts(
    reader: Reader, ranker: str, revision: str, texts: Sequence[str], services: Services, device: str | None
) -> Generator[Step, object, Head]:
    texts = sorted(set(texts), key=lambda text: (len(text), text))
    inputs, targets = [], []
    for start in range(0, len(texts), PART):
        some = texts[start : start + PART]
        inputs.append(reader.read(some).numpy())
        targets.append(sentence_vectors(services, some, device).numpy())
        yield Step(min(start + PART, len(texts)), len(texts), "reading prompts")
    return heads.fit("zero_image", ranker, revision, np.concatenate(inputs), np.concatenate(targets))


def _from_pictures(
    request: FitHeadRequest, revision: str, services: Services, device: str | None
) -> Generator[Step, object, tuple[Head, tuple[str, ...]]]:
    table = read_prompts(request.prompts, request.column, split_column=None)
    found = named(Path(request.folder), table.ids)
    pairs = {path: text for path, text in zip(found, table.texts, strict=True) if text and path is not None}
    vectors, read = yield from vectors_of(request.ranker, list(pairs)[:MAX_PAIRS], services, device)
    if len(read) < 2:
        raise BadRequest(
            f"Of the {len(table.ids):,} rows {len(read)} name a picture in the folder that can be read; 2 are needed. "
            f"The first row names {shown(table.ids[0])}."
        )
    targets = sentence_vectors(services, [pairs[path] for path in read], device).numpy()
    prior = _kept(head_path(services, request.ranker, ZERO_IMAGE), request.ranker, revision)
    head = heads.fit("regression", request.ranker, revision, vectors, targets, prior)
    missed = len(table.ids) - len(read)
    return head, ((f"{missed:,} rows have no prompt or no picture that can be read.",) if missed else ())


def _prompts(request: FitHeadRequest) -> list[str]:
    return [text for text in read_prompts(request.prompts, request.column, split_column=None).texts if text]
