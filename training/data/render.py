"""Rendering picture files to aligned 128x128 RGBA, many at once in guarded processes."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np
from PIL import Image

FILL = 0.92  # the longer side of the alpha bounding box, as a share of the canvas
# Seconds granted on top of the limit: starting a worker counts into its first file.
START_UP = 10.0
_ALPHA = 12  # alpha (0..255) below which a pixel does not count for the bounding box


class UnusableError(ValueError):
    """The picture rendered, but is no use; the message is the reason counted in the summary."""


def load_rgba(path: Path, side: int) -> Image.Image:
    """Decode a raster file, or render an SVG so that its longer side is `side` pixels."""
    if path.suffix != ".svg":
        return Image.open(path).convert("RGBA")
    import resvg_py

    # System fonts stay out: the same archive should give the same pixels on every machine.
    # Without a dpi, sizes given in pt or mm would come out as nothing.
    data = resvg_py.svg_to_bytes(svg_path=str(path), width=side, height=side, dpi=96.0, skip_system_fonts=True)
    return Image.open(io.BytesIO(data)).convert("RGBA")


def alpha_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Bounding box (left, top, right, bottom) of the visible pixels, or None."""
    alpha = np.asarray(image)[..., 3] >= _ALPHA
    rows, cols = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return None
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


def render_file(path: Path, size: int = 128) -> np.ndarray:
    """(size, size, 4) uint8 straight-alpha RGBA: the visible part, centred, fitted to FILL."""
    image = load_rgba(path, size * 3)
    box = alpha_box(image)
    if box is None:
        raise UnusableError("blank")
    longer = max(box[2] - box[0], box[3] - box[1])
    if longer < size and path.suffix == ".svg":
        # A small drawing on a big page: render again, larger, so that it is not blown up blurred.
        scale = min(size * 2 / longer, 12.0)
        image = load_rgba(path, int(size * 3 * scale))
        box = alpha_box(image) or box
    crop = image.crop(box)
    target = round(size * FILL)
    ratio = target / max(crop.size)
    shape = (max(1, round(crop.width * ratio)), max(1, round(crop.height * ratio)))
    crop = crop.resize(shape, Image.Resampling.LANCZOS)  # Pillow premultiplies RGBA here
    canvas = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    canvas.paste(crop, ((size - shape[0]) // 2, (size - shape[1]) // 2))
    pixels = np.array(canvas)
    pixels[pixels[..., 3] == 0] = 0
    check_visible(pixels)
    return pixels


def check_visible(pixels: np.ndarray) -> None:
    """Raise UnusableError for pictures that show next to nothing."""
    if (pixels[..., 3] >= 128).mean() < 0.02:
        raise UnusableError("nearly blank")


def why_featureless(pixels: np.ndarray) -> str:
    """Why a drawing of unknown worth shows nothing: "" when it is fine.

    Not for emoji, where a plain blue square is called just that.
    """
    alpha = pixels[..., 3] >= 128
    rgb = pixels[..., :3][alpha].astype(np.float32)
    if float(rgb.std(0).max()) >= 4.0:
        return ""
    if rgb.mean() > 200:
        return "all one pale colour"
    rows, cols = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    boxed = (rows[-1] - rows[0] + 1) * (cols[-1] - cols[0] + 1)
    return "plain rectangle" if alpha.sum() > 0.98 * boxed else ""


def picture_hash(pixels: np.ndarray) -> np.ndarray:
    """(560,) float32 signature of a (H, W, 4) uint8 picture, H = W a multiple of 16.

    16x16 luma over gray, 4x4 colour and 16x16 opacity (gray drawings would vanish without it), all
    0..255, so that one threshold in gray levels fits all pictures.
    """
    n = len(pixels)
    alpha = pixels[..., 3:].astype(np.float32) / 255.0
    rgb = pixels[..., :3] * alpha + 128.0 * (1.0 - alpha)
    luma = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    fine = luma.reshape(16, n // 16, 16, n // 16).mean((1, 3))
    shape = 255.0 * alpha[..., 0].reshape(16, n // 16, 16, n // 16).mean((1, 3))
    colour = rgb.reshape(4, n // 4, 4, n // 4, 3).mean((1, 3))
    return np.concatenate([fine.ravel(), colour.ravel(), shape.ravel()]).astype(np.float32)


def _work(pipe: Connection, size: int) -> None:
    """Worker loop: receives paths, answers (pixels or None, reason)."""
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        if path is None:
            return
        try:
            answer = (render_file(Path(path), size), "")
        except UnusableError as error:
            answer = (None, str(error))
        except Exception as error:  # any broken file is one counted failure
            answer = (None, f"failed: {type(error).__name__}: {str(error)[:80]}")
        pipe.send(answer)


class _Worker:
    """One child process and the item it is busy with."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_work, args=(child, size), daemon=True)
        self.process.start()
        child.close()
        self.item: int | None = None
        self.since = 0.0

    def give(self, item: int, path: Path) -> None:
        self.item, self.since = item, time.monotonic()
        self.pipe.send(str(path))

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def render_many(
    paths: list[Path], size: int = 128, workers: int = 2, limit: float = 20.0
) -> Iterator[tuple[int, np.ndarray | None, str]]:
    """Yield (index, pixels or None, reason) as files finish.

    The renderer is native code that can crash or hang on odd files, so each worker is watched: one
    that dies or overruns `limit` seconds costs that file only and is replaced.
    """
    queue = iter(enumerate(paths))
    pool = [_Worker(size) for _ in range(max(1, min(workers, len(paths))))]
    try:
        idle = list(pool)
        while True:
            for worker in idle:
                following = next(queue, None)
                if following is not None:
                    worker.give(*following)
            idle = []
            busy = [w for w in pool if w.item is not None]
            if not busy:
                return
            ready = wait([w.pipe for w in busy], timeout=1.0)
            for worker in busy:
                answer = _collect(worker, worker.pipe in ready, limit)
                if answer is None:
                    continue
                index, worker.item = worker.item, None
                if answer[2]:
                    worker.stop()
                    pool.remove(worker)
                    pool.append(_Worker(size))
                    idle.append(pool[-1])
                else:
                    idle.append(worker)
                yield index, answer[0], answer[1]
    finally:
        for worker in pool:
            worker.stop()


def _collect(worker: _Worker, ready: bool, limit: float) -> tuple[np.ndarray | None, str, bool] | None:
    """(pixels, reason, worker is lost) once the worker's file is settled, else None."""
    if ready:
        try:
            pixels, reason = worker.pipe.recv()
            return pixels, reason, False
        except (EOFError, OSError):
            return None, "failed: renderer crashed", True
    if time.monotonic() - worker.since > limit + START_UP:
        return None, "failed: took too long", True
    return None
