"""Heads: linear maps from a ranker's vector of a picture to the sentence encoder's vector of its prompt.

The zero-image head never sees a picture: it is fitted from the ranker's vectors of prompts to the encoder's vectors of
the same prompts, and then given pictures, because pictures and texts share the ranker's space (the trick of the seventh
place in Kaggle's Stable Diffusion – Image to Prompts). The regression head is fitted on pictures with their prompts.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from common.errors import BadRequest
from safeguards.wording import shown

KINDS = ("zero_image", "regression")
PENALTIES = tuple(10.0**power for power in range(-4, 3))  # times the mean variance of an input
FOLDER = "prompt_heads"  # inside the output folder
_ARRAYS = ("weight", "x_mean", "y_mean", "image_mean")
_FACTS = ("kind", "ranker", "revision", "penalty", "score", "count")


@dataclass(frozen=True, eq=False)
class Head:
    """y = y_mean + (x - x_mean) · weight, then normalised; x (D,) is the ranker's vector, y (E,) the encoder's.

    `ranker` and `revision` say whose vectors it reads. `image_mean` (D,) stands in for `x_mean` when x is a picture's
    and the head was fitted on texts: pictures and texts lie in two clouds side by side (Liang et al. 2022, "Mind the
    Gap"). `score` is the mean cosine of its leave-one-out predictions on the `count` pairs it was fitted on, and
    `penalty` the best of PENALTIES by it.
    """

    kind: str
    ranker: str
    revision: str
    weight: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    penalty: float
    score: float
    count: int
    image_mean: np.ndarray | None = None
    cosines: np.ndarray = field(default_factory=lambda: np.empty(0))

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Unit vectors (N, D) of pictures -> unit vectors (N, E) float32."""
        centre = self.x_mean if self.image_mean is None else self.image_mean
        return unit(self.y_mean + (vectors - centre) @ self.weight).astype(np.float32)

    def corrected(self, pictures: np.ndarray) -> Head:
        """The same head with the gap between texts and pictures taken from vectors (N, D) of any pictures.

        Only the means are brought together: to scale the clouds to one width, too, made every measured answer worse.
        """
        return replace(self, image_mean=pictures.mean(0))


def fit(
    kind: str, ranker: str, revision: str, inputs: np.ndarray, targets: np.ndarray, prior: Head | None = None
) -> Head:
    """Ridge regression from `inputs` (N, D) to unit `targets` (N, E), the penalty chosen by leave-one-out.

    With a `prior` the penalty is on the difference from it, so that of a few pairs little is made up. Raises BadRequest
    for fewer than 2 pairs and for numbers that are none.
    """
    if len(inputs) < 2:
        raise BadRequest(f"A head needs at least 2 pairs to be fitted on; there are {len(inputs)}.")
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        raise BadRequest("The vectors to fit a head on hold numbers that are none (NaN); make them again.")
    inputs, targets = inputs.astype(np.float64), targets.astype(np.float64)
    base = prior.weight if prior is not None else np.zeros((inputs.shape[1], targets.shape[1]))
    x_mean = inputs.mean(0)
    rest = targets - (inputs - x_mean) @ base
    y_mean = rest.mean(0)
    centred, wanted = inputs - x_mean, rest - y_mean
    # One decomposition serves every penalty and every row that is left out (Hastie et al. 2009, section 7.10).
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    scale = max((values**2).sum() / inputs.shape[1], 1e-12)  # all inputs may be the same
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for penalty in PENALTIES:
        shrink = values**2 / (values**2 + penalty * scale)
        leverage = (left**2 * shrink).sum(1) + 1 / len(inputs)
        error = wanted - (left * shrink) @ (left.T @ wanted)
        without = targets - error / np.maximum(1 - leverage, 1e-6)[:, None]
        cosines = (unit(without) * unit(targets)).sum(1)
        if best is None or cosines.mean() > best[0]:
            weight = (right.T * (shrink / np.maximum(values, 1e-12))) @ (left.T @ wanted)
            best = (float(cosines.mean()), penalty, weight, cosines)
    score, penalty, weight, cosines = best
    return Head(kind, ranker, revision, base + weight, x_mean, y_mean, penalty, score, len(inputs), cosines=cosines)


def unit(vectors: np.ndarray) -> np.ndarray:
    """The rows of (..., E) scaled to length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def save(head: Head, path: Path) -> Path:
    """Write the head as safetensors, whole or not at all, and return `path`. Raises OSError as `open` does."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(getattr(head, name)) for name in _ARRAYS if getattr(head, name) is not None}
    facts = {name: getattr(head, name) for name in _FACTS}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        save_file(arrays, part, metadata={"head": json.dumps(facts)})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def load(path: Path, ranker: str, revision: str) -> Head:
    """The head that `save` wrote. Raises BadRequest when there is none, or one for another ranker."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            facts = json.loads(file.metadata()["head"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        head = Head(**{name: facts[name] for name in _FACTS}, **arrays)
    except FileNotFoundError:
        raise BadRequest(f"There is no head {shown(path.stem)}; train it first.") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        raise BadRequest(f"The head {shown(path.stem)} is damaged; train it again.") from None
    if (head.ranker, head.revision) != (ranker, revision):
        raise BadRequest(
            f"The head {shown(path.stem)} reads vectors of {head.ranker} (revision {shown(head.revision[:12])}), not "
            f"those of {ranker} (revision {shown(revision[:12])}); choose that ranker, or train the head again."
        )
    return head


def names(folder: Path) -> Sequence[str]:
    """The heads in a folder, in the order of the alphabet."""
    return sorted(path.stem for path in folder.glob("*.safetensors") if not path.name.startswith("."))
