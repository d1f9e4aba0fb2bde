"""Finished films: brought into their last form, with the recipe inside and the word that a machine made them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from common.video import Sound, finish
from common.video_source import probe
from safeguards import animations, mp4_boxes, provenance
from safeguards.infotext import write_infotext
from safeguards.recipe import KEYWORD, Recipe


def stamp_video(film: Path, recipe: Recipe, path: str | Path, sound: Sound | None = None) -> Path:
    """Save the film that a closed `VideoWriter` left at `film` as MP4, GIF or WebP, by the suffix of `path`.

    The file is there whole or not at all; `film` may be `path` itself and stays otherwise. Into an MP4 go the recipe
    as its comment (which survives when the film is put into another container), the same in the words of other programs
    as its description, and an XMP packet (see `provenance`); into a GIF the recipe and a C2PA-style assertion as
    comments; into a WebP the recipe and the XMP packet. Only an MP4 has sound.
    Raises common.ffmpeg.VideoError when ffmpeg cannot do it, OSError as `open` does.
    """
    path = Path(path)
    ours, form = f"{KEYWORD}:{recipe.to_json()}", path.suffix.removeprefix(".")
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    texts = {
        "comment": ours,
        "description": write_infotext(recipe).replace("\0", ""),
        "encoding_tool": provenance.SOFTWARE,
        "date": recipe.created,
    }
    try:
        finish(film, part, form, texts, sound)
        if form == "gif":
            animations.add_gif_comments(part, [ours, provenance.assertion(recipe.created, recipe.model)])
        elif form == "webp":
            size = probe(film, "mov")
            xmp = provenance.xmp(recipe.created)
            animations.add_webp_texts(part, (size.width, size.height), recipe.to_json(), xmp)
        else:
            mp4_boxes.append(part, mp4_boxes.XMP, provenance.xmp(recipe.created).encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
