"""Fetching, checking and unpacking the archives the pictures come from.

Archives are asked for by package name through the ordinary clients (npm, apt-get), so whatever
mirror the machine is set up with is the one that gets used.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from common.hashing import sha256_file


class SourceMissingError(RuntimeError):
    """An archive cannot be had here; the message says in one sentence what to install."""


@dataclass(frozen=True)
class Archive:
    """One package and its pinned checksum (for the deb: that of the one build we know)."""

    key: str
    package: str
    version: str
    kind: str  # "npm" or "deb"
    licence: str
    sha256: str
    pattern: str  # glob that finds the archive in the cache folder


ARCHIVES: dict[str, Archive] = {
    a.key: a
    for a in (
        Archive(
            "emojibase", "emojibase-data", "17.0.0", "npm", "MIT",
            "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
            "emojibase-data-17.0.0.tgz",
        ),
        Archive(
            "fluent3d", "@lobehub/fluent-emoji-3d", "1.1.0", "npm", "MIT",
            "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
            "lobehub-fluent-emoji-3d-1.1.0.tgz",
        ),
        Archive(
            "fluent", "fluentui-emoji", "1.3.0", "npm", "MIT",
            "ec892e607e854859b812c7d827801756adc19955b0ef56d4ae8afcddd19492c5",
            "fluentui-emoji-1.3.0.tgz",
        ),
        Archive(
            "twemoji", "@twemoji/svg", "15.0.0", "npm", "CC-BY-4.0",
            "1d2907557a422c7c4e3feca50ef915c39da1db3d76b4a4d7e73fb59bce4403c3",
            "twemoji-svg-15.0.0.tgz",
        ),
        Archive(
            "openclipart", "openclipart-svg", "0.18+dfsg-19", "deb", "public domain",
            "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
            "openclipart-svg_*.deb",
        ),
        Archive(
            "tuxpaint", "tuxpaint-stamps-default", "2022.06.04-1", "deb", "GPL-2",
            "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
            "tuxpaint-stamps-default_*.deb",
        ),
    )
}  # fmt: skip

# Sets that Iconify packs, all alike: name, version, licence, checksum.
ARCHIVES |= {
    name: Archive(
        name, f"@iconify-json/{name}", version, "npm", licence, sha256, f"iconify-json-{name}-{version}.tgz"
    )
    for name, version, licence, sha256 in (
        ("noto", "1.2.9", "Apache-2.0",
         "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
        ("noto-v1", "1.2.5", "Apache-2.0",
         "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"),
        ("emojione", "1.2.3", "CC-BY-4.0",
         "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e"),
        ("fxemoji", "1.2.2", "Apache-2.0",
         "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef"),
        ("streamline-emojis", "1.2.4", "CC-BY-4.0",
         "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc"),
        ("game-icons", "1.2.4", "CC-BY-3.0",
         "f5758efb34d91c4f50b941f355f16ee73938625e5996fabc25171288404460a4"),
        ("fa6-solid", "1.2.4", "CC-BY-4.0",
         "082c792eaad4751626438773fa7360cb23f495b687cf2dd01b2b0fccc7f6af8b"),
        ("healthicons", "1.2.13", "MIT",
         "4c2552c45737788a6599da3c5b72610c7fb4e7f87075d401c56fa16d487d4caf"),
        ("hugeicons", "1.2.35", "MIT",
         "cca09de913319938961fa0613a8eb42952f76c3ee13a7c68ef411091590c5d8b"),
        ("icon-park", "1.2.4", "Apache-2.0",
         "c1a25212a31602aca93c3fa6f6b3288e89b9d7811afc132dfd78506e9d586b6f"),
        ("lucide-lab", "1.2.3", "ISC",
         "ea0a3dc587d60e65b4e710f2239a54a6609fcd19b214f9eb0df66874f920df08"),
        ("maki", "1.2.5", "CC0-1.0",
         "cbf41d1b7262fad2eecdc6425ae5afed2de9b3512093c4c778fb456e788d7e12"),
        ("mdi", "1.2.3", "Apache-2.0",
         "ddd817a7213f91de51147943915c0cda8c8b818a53c92b5c068cfa9883c6d7ac"),
        ("ph", "1.2.2", "MIT",
         "e3a582a047d9829fc7e8842c660d8065e598d1b68bb58cb68e75a1f1e5a614cc"),
        ("streamline-color", "1.2.2", "CC-BY-4.0",
         "06c2addb59f572b2bfe581863888fcf7dbe0927e0511e7157c54f332fe90347f"),
        ("streamline-kameleon-color", "1.2.2", "CC-BY-4.0",
         "5f972d986afb340d8a45d7a16e767f99f91fdd94db53e46a78c79847212aed7b"),
        ("streamline-plump-color", "1.2.2", "CC-BY-4.0",
         "33ed8a9ebda9ed896125f1e01873105688d68d0b0c95ca1bcead5a41309afcf6"),
        ("streamline-ultimate-color", "1.2.2", "CC-BY-4.0",
         "46133a11f3734bcef29066391d7edc141ed1d8056242ddfa1b5d36ce286420b6"),
        ("tabler", "1.2.41", "MIT",
         "3bf99af156d28d05568aff524a35ed1ba238df640a7835a5e02e1f8e439685f6"),
        ("temaki", "1.2.6", "CC0-1.0",
         "24a874e1d81a7de9d56e534fdc56287cfe6e73488a24ef5c8982d4fd5f294d8d"),
    )
}  # fmt: skip


def find_archive(archive: Archive, cache: Path) -> Path | None:
    """The archive in the cache folder, or None."""
    found = sorted(cache.glob(archive.pattern))
    return found[-1] if found else None


def fetch(archive: Archive, cache: Path) -> Path:
    """Return the archive's path, downloading it by package name when the cache lacks it."""
    cache.mkdir(parents=True, exist_ok=True)
    found = find_archive(archive, cache)
    if found is None:
        _download(archive, cache)
        found = find_archive(archive, cache)
    if found is None:
        raise SourceMissingError(f"{archive.package} was downloaded but left no archive in {cache}.")
    check(archive, found)
    return found


def check(archive: Archive, path: Path) -> str:
    """Checksum of the archive. npm versions are immutable, so a differing tarball is refused.

    A Debian package is rebuilt now and then under the same name, hence recorded but not refused.
    """
    digest = sha256_file(path)
    if archive.kind == "npm" and archive.sha256 and digest != archive.sha256:
        raise SourceMissingError(
            f"{path} does not match the checksum pinned for {archive.package} {archive.version}; "
            "delete it and run again to fetch it afresh."
        )
    return digest


def _download(archive: Archive, cache: Path) -> None:
    if archive.kind == "npm":
        tool, spec = "npm", f"{archive.package}@{archive.version}"
        command = ["npm", "pack", spec, "--pack-destination", str(cache.resolve()), "--silent"]
    else:
        tool, command = "apt-get", ["apt-get", "download", archive.package]
    if shutil.which(tool) is None:
        raise SourceMissingError(f"{archive.package} needs {tool}: install it to fetch this source.")
    try:
        subprocess.run(command, cwd=cache, check=True, capture_output=True, text=True, timeout=900)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        last = detail[-1] if detail else "no message"
        raise SourceMissingError(f"{tool} could not fetch {archive.package} ({last}).") from error


def unpack(archive: Archive, path: Path, cache: Path) -> Path:
    """Unpack into `<cache>/<key>/` once; the marker tells a finished unpacking from a torn one."""
    target = cache / archive.key
    marker = target / ".unpacked"
    digest = sha256_file(path)
    if marker.exists() and marker.read_text() == digest:
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if archive.kind == "npm":
        with tarfile.open(path) as tar:
            tar.extractall(target, filter="data")
    else:
        if shutil.which("dpkg-deb") is None:
            raise SourceMissingError(f"{archive.package} needs dpkg-deb: install dpkg to unpack it.")
        subprocess.run(["dpkg-deb", "-x", str(path), str(target)], check=True, timeout=600)
    marker.write_text(digest)
    return target


def provide(key: str, cache: Path) -> tuple[Path, str]:
    """Fetch, check and unpack one archive; returns its folder and its checksum."""
    archive = ARCHIVES[key]
    path = fetch(archive, cache)
    return unpack(archive, path, cache), sha256_file(path)
