"""Colour words: naming the colours of a picture and tinting a picture to a named colour."""

from __future__ import annotations

import numpy as np

from models.families.pictograms_ground import GROUNDS

# Background words with sRGB values (0..255): those that the models paint behind their pictures.
BACKGROUNDS: list[tuple[str, tuple[int, int, int]]] = list(GROUNDS.items())

# Hue words with the HSV hue angle in degrees that `recolour` gives.
COLOURS: dict[str, float] = {
    "red": 2.0,
    "orange": 28.0,
    "yellow": 52.0,
    "green": 125.0,
    "teal": 178.0,
    "blue": 220.0,
    "purple": 275.0,
    "pink": 328.0,
}

# Saturation factor, lift of the HSV value towards 1, share of the old luma kept. Dark yellow reads as
# olive, dark orange as brown and dark pink as plum, so those three are lightened.
_LOOKS: dict[str, tuple[float, float, float]] = {
    "yellow": (1.2, 0.6, 0.0),
    "orange": (1.25, 0.5, 0.1),
    "pink": (0.75, 0.55, 0.2),
}

WORDS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black",
    "white", "gray",
)  # fmt: skip
_INDEX = {word: i for i, word in enumerate(WORDS)}
# Upper hue edges (degrees) of the chromatic words, walking round the circle.
_HUE_EDGES: tuple[tuple[float, str], ...] = (
    (14, "red"), (36, "orange"), (68, "yellow"), (163, "green"), (192, "teal"),
    (254, "blue"), (292, "purple"), (336, "pink"), (361, "red"),
)  # fmt: skip


def rgb_to_hsv(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 or float 0..255 RGB -> (..., 3) float32 with hue 0..360, s and v 0..1."""
    x = np.asarray(rgb, dtype=np.float32) / 255.0
    high, low = x.max(-1), x.min(-1)
    span = high - low
    safe = np.where(span > 0, span, 1.0)
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    hue = np.where(high == r, (g - b) / safe % 6.0, 0.0)
    hue = np.where((high == g) & (high != r), (b - r) / safe + 2.0, hue)
    hue = np.where((high == b) & (high != r) & (high != g), (r - g) / safe + 4.0, hue)
    sat = np.where(high > 0, span / np.where(high > 0, high, 1.0), 0.0)
    return np.stack([hue * 60.0, sat, high], -1).astype(np.float32)


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """(..., 3) hue 0..360, s, v 0..1 -> (..., 3) float32 RGB 0..255."""
    h, s, v = hsv[..., 0] / 60.0, hsv[..., 1], hsv[..., 2]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + h) % 6.0
        channels.append(v - v * s * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0))
    return (np.stack(channels, -1) * 255.0).astype(np.float32)


def colour_indices(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) RGB 0..255 -> (N,) int8 indices into WORDS, one colour word per pixel."""
    hsv = rgb_to_hsv(rgb)
    h, s, v = hsv[:, 0], hsv[:, 1], hsv[:, 2]
    chroma = s * v
    out = np.zeros(len(rgb), np.int8)
    lower = 0.0
    for upper, word in _HUE_EDGES:
        out[(h >= lower) & (h < upper)] = _INDEX[word]
        lower = upper
    # Crimson leans to pink by hue alone; brown is dark or dull orange; pale reds are pink.
    out[(h >= 331) & (h < 336) & (s > 0.72)] = _INDEX["red"]
    reddish = (h < 14) | (h >= 336)
    out[reddish & (s < 0.5) & (v > 0.78)] = _INDEX["pink"]
    out[((h >= 8) & (h < 32) & (v < 0.8) & (s < 0.68))] = _INDEX["brown"]
    out[(h >= 8) & (h < 50) & (v < 0.62)] = _INDEX["brown"]
    out[((h < 30) | (h >= 345)) & (v < 0.7) & (s < 0.6)] = _INDEX["brown"]
    # The eye forgives shadows and metal a blue or violet cast, so those need more chroma.
    cold = (h >= 180) & (h < 320)
    dull = (s < 0.13) | (chroma < np.where(cold, np.where(v > 0.8, 0.17, 0.14), 0.09))
    out[dull] = _INDEX["gray"]
    out[dull & (v > 0.87)] = _INDEX["white"]
    out[(v < 0.27) | ((v < 0.34) & (chroma < 0.16))] = _INDEX["black"]
    return out


def dominant_colours(rgba: np.ndarray, minimum: float = 0.15) -> tuple[list[str], float]:
    """Up to two colour words of a (H, W, 4) uint8 picture and the share (0..1) of the first.

    Only pixels that are at least half opaque count; the second word needs `minimum` of them.
    """
    flat = rgba.reshape(-1, 4)
    opaque = flat[flat[:, 3] >= 128]
    if len(opaque) == 0:
        return [], 0.0
    counts = np.bincount(colour_indices(opaque[:, :3]), minlength=len(WORDS)) / len(opaque)
    order = np.argsort(-counts, kind="stable")[:2]
    words = [WORDS[i] for n, i in enumerate(order) if n == 0 or counts[i] >= minimum]
    return words, round(float(counts[order[0]]), 4)


def can_recolour(record: dict) -> bool:
    """True when the picture's main colour is a hue word, so that a tint reads as that colour."""
    colours = record.get("colors") or []
    return bool(colours) and colours[0] in COLOURS and record.get("dominant", 0.0) >= 0.4


def recolour(rgba: np.ndarray, colour: str) -> np.ndarray:
    """Tint a (H, W, 4) uint8 straight-alpha picture to a word of COLOURS; shading and alpha stay.

    Grays, blacks and whites stay as they are: only pixels with some chroma take the new hue.
    """
    hue = COLOURS[colour]
    rgb = rgba[..., :3].astype(np.float32)
    hsv = rgb_to_hsv(rgb)
    saturate, lift, keep = _LOOKS.get(colour, (1.1, 0.0, 0.5))
    sat = np.clip(hsv[..., 1] * saturate, 0.0, 1.0)
    value = 1.0 - (1.0 - hsv[..., 2]) * (1.0 - lift)
    tinted = hsv_to_rgb(np.stack([np.full_like(sat, hue), sat, value], -1))
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    shift = (rgb @ weights - tinted @ weights)[..., None]
    # Full luma matching would wash blue made from yellow out to lavender, hence only a share.
    tinted = tinted + keep * shift
    mix = np.clip((hsv[..., 1] * hsv[..., 2] - 0.06) / 0.12, 0.0, 1.0)[..., None]
    out = rgba.copy()
    out[..., :3] = np.clip(np.rint(rgb + (tinted - rgb) * mix), 0, 255).astype(np.uint8)
    return out
