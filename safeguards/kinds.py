"""What kind of file something is, by its content: the name and the browser's word for it are only claims."""

from __future__ import annotations

ACCEPTED = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
ALLOWED = "PNG, JPEG, WebP, GIF, BMP and TIFF pictures are allowed"

VIDEOS = {"MP4": "mov", "WebM": "matroska", "AVI": "avi", "GIF": "gif"}  # and ffmpeg's reader for each
VIDEOS_ALLOWED = "MP4, MOV, WebM, MKV, AVI and moving GIF are allowed"

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_SAVE_AS = "please open it in a picture program and save it as JPEG or PNG."
_PHONE = (
    "this app has no decoder for it. Please save or export it as JPEG; an iPhone does so by itself "
    "with Settings > Camera > Formats > Most Compatible."
)
# Starts of other kinds, and what to tell whoever brought one.
_OTHERS = {
    b"%PDF": f"is a PDF document; {_SAVE_AS}",
    b"8BPS": f"is a Photoshop document; {_SAVE_AS}",
    b"gimp xcf": f"is a GIMP document; {_SAVE_AS}",
    b"\0\0\1\0": f"is a Windows icon; {_SAVE_AS}",
    b"\xff\x0a": f"is a JPEG XL picture; {_SAVE_AS}",
    b"\0\0\0\x0cJXL ": f"is a JPEG XL picture; {_SAVE_AS}",
    b"\0\0\0\x0cjP": f"is a JPEG 2000 picture; {_SAVE_AS}",
    b"PK\3\4": f"is a zip archive or an office document, not a picture; {ALLOWED}.",
    b"\x1f\x8b": f"is a compressed archive, not a picture; {ALLOWED}.",
    b"\x1a\x45\xdf\xa3": f"is a video; take a still from it. {ALLOWED}.",
}
_BRANDS = {
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), f"is a HEIC picture, and {_PHONE}"
    ),
    **dict.fromkeys((b"avif", b"avis"), f"is an AVIF picture; {_SAVE_AS}"),
    b"crx ": f"is a camera's raw picture; {_SAVE_AS}",
}


def kind_of(head: bytes) -> str | None:
    """One of ACCEPTED for a file that begins with `head` (256 bytes or more suffice), or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), None)


def why_not(head: bytes) -> str:
    """For a file that is none of ACCEPTED: what it is and what to do, as the rest of a sentence begun with its name."""
    if head[4:8] == b"ftyp":
        # An AVIF may call itself "mif1" first and name its coding only among the compatible brands that follow.
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4], "big"), 64), 4))]
        known = [brand for brand in (b"avif", b"avis", b"heic", *brands) if brand in brands and brand in _BRANDS]
        return _BRANDS[known[0]] if known else f"is a video; take a still from it. {ALLOWED}."
    for start, reason in _OTHERS.items():
        if head.startswith(start):
            return reason
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<") and b"<svg" in text:
        return f"is an SVG drawing, which is a program for drawing rather than a picture; {_SAVE_AS}"
    if text.startswith((b"<!doctype html", b"<html")):
        return f"is a web page, not a picture; save the picture itself, not the page around it. {ALLOWED}."
    if text and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return f"is a text, not a picture; {ALLOWED}."
    return f"is not a picture of a kind that is known here; {ALLOWED}."


_VIDEO_STARTS = {
    b"\x1a\x45\xdf\xa3": "WebM",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")  # parts that films of before 2001 begin with
# Starts of other films, and what they are called.
_OTHER_VIDEOS = {
    b"FLV": "a Flash film",
    b"\x30\x26\xb2\x75": "a Windows Media film",
    b"\0\0\1\xba": "an MPEG program stream",
    b"\0\0\1\xb3": "an MPEG stream",
    b"OggS": "an Ogg file",
    b"\x47\x40": "an MPEG transport stream",
    b"#EXTM3U": "a playlist, which only names films",
}


def video_kind_of(head: bytes) -> str | None:
    """One of VIDEOS for a file that begins with `head` (256 bytes or more suffice), or None.

    "MP4" stands for QuickTime films and "WebM" for Matroska, too: they differ in what may be inside, not in how it is
    found.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head[4:8] in _QUICKTIME or (head[4:8] == b"ftyp" and "video" in why_not(head)):
        return "MP4"
    return next((kind for start, kind in _VIDEO_STARTS.items() if head.startswith(start)), None)


def why_no_video(head: bytes) -> str:
    """For a file that is none of VIDEOS: what it is and what to do, as the rest of a sentence begun with its name."""
    for start, name in _OTHER_VIDEOS.items():
        if head.startswith(start):
            return f"is {name}; please convert it to MP4. {VIDEOS_ALLOWED}."
    if picture := kind_of(head):
        return f"is a {picture} picture, not a video; {VIDEOS_ALLOWED}."
    return f"is not a video of a kind that is known here; {VIDEOS_ALLOWED}."
