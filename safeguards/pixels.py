"""Any picture that PIL can open, as plain upright 8-bit RGB; and what had to be changed for that."""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

ANIMATED = "animated: its first frame was used"
PAGES = "several pages: the first was used"
ON_WHITE = "transparent parts were put on white"
ALL_CLEAR = "completely transparent, so it became plain white"
TURNED = "turned upright as the camera noted"
FROM_CMYK = "print colours (CMYK) were converted to RGB"
FROM_16_BITS = "16-bit grey was reduced to 8 bits"
STRETCHED = "its values were stretched so that the darkest is black and the brightest white"
_ORIENTATION = 0x0112
_PLAIN_MODES = ("1", "L", "P", "RGB", "YCbCr", "HSV", "LAB", "RGBX")


class NotAPictureError(ValueError):
    """There is no picture to be made of it. The message is the rest of a sentence that begins with the file."""


def frames_note(picture: Any) -> list[str]:
    """What to say when a freshly opened picture has more than one frame or page."""
    try:
        several = bool(getattr(picture, "is_animated", False))
    except EOFError:
        several = False
    if not several:
        return []
    return [PAGES if picture.format == "TIFF" else ANIMATED]


def plain_rgb(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """Decode the current frame to a new RGB image without metadata; the list says what was changed.

    Raises NotAPictureError when the pixels hold no picture, and whatever PIL raises for broken data.
    """
    from PIL import Image

    turned_by_camera = _turn(picture)
    picture.load()
    turn = _turn(picture)  # PIL turns a TIFF while it loads, and then no longer says so
    notes: list[str] = []
    opaque, alpha = _parts(picture, notes)
    image = opaque
    if alpha is not None:
        low, high = alpha.getextrema()
        image = Image.new("RGB", picture.size, "white")
        image.paste(opaque, mask=alpha)
        notes += [ALL_CLEAR if high == 0 else ON_WHITE] if low < 255 else []
    if turn is not None:
        image = image.transpose(turn)
    if turned_by_camera is not None:
        notes.append(TURNED)
    image.info.clear()
    return image, notes


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """How to bring the picture upright, by the number that cameras write (EXIF 2.3, tag Orientation)."""
    from PIL.Image import Transpose

    try:
        number = picture.getexif().get(_ORIENTATION)
    except Exception:  # a broken EXIF makes the reader fail in many ways; the picture may be fine all the same
        return None
    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    return dict(enumerate(turns, start=2)).get(number)


def _parts(picture: Image.Image, notes: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """The colours as RGB and the opacity as L (None when there is none), adding to `notes`."""
    mode = picture.mode
    if mode.startswith(("I", "F")):
        return _from_numbers(picture, notes)
    if mode == "CMYK":
        notes.append(FROM_CMYK)
        return _to_srgb(picture) or picture.convert("RGB"), None
    if mode in _PLAIN_MODES and "transparency" not in picture.info:
        return _to_srgb(picture) or picture.convert("RGB"), None
    clear = picture.convert("RGBA")
    colours = clear.convert("RGB")
    colours.info["icc_profile"] = picture.info.get("icc_profile")
    return _to_srgb(colours) or colours, clear.getchannel("A")


def _to_srgb(picture: Image.Image) -> Image.Image | None:
    """The picture in the colours of a screen, if it says in which others it is (a phone's P3, a printer's CMYK)."""
    from PIL import ImageCms

    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a broken profile is ignored, as browsers do


def _from_numbers(picture: Image.Image, notes: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """16-bit, 32-bit and floating point grey, of which only the 16-bit kind has an agreed white."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)  # (H, W), 16-bit or 32-bit whole numbers, or float32
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low + high):
        raise NotAPictureError("holds pixels that are not numbers (NaN or infinity). Please save it as PNG or JPEG.")
    if (picture.mode.startswith("I") and low >= 0 and 255 < high <= 65535) or picture.mode.startswith("I;16"):
        scaled = (np.minimum(values, 65_407) + 128) // 257  # to the nearest, and without leaving 16 bits
        notes.append(FROM_16_BITS)
    elif picture.mode == "I" and low >= 0 and high <= 255:
        scaled = values
    elif picture.mode == "F" and low >= 0 and high <= 1:
        scaled = np.rint(values * 255)
    else:
        scaled = np.rint((values - np.float64(low)) * (255 / (high - low) if high > low else 0))
        notes.append(STRETCHED)
    grey = Image.fromarray(scaled.astype(np.uint8))
    clear = picture.info.get("transparency")
    alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)) if isinstance(clear, int) else None
    return grey.convert("RGB"), alpha
