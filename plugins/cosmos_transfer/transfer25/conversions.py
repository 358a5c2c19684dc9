"""The ffmpeg command that makes of a file one that the toolkit opens: by what the file holds."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from cosmos_core import Input, Media

_COPIED = frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "av1", "vp9", "mjpeg"})
"""What an .mp4 may hold as it is (`ffmpeg -h muxer=mp4`); all else is encoded anew."""
_SUFFIX_OF = {"png": ".png", "mjpeg": ".jpg"}


def conversion(item: Input) -> str:
    """What to do so that the toolkit takes the file."""
    media, name = item.media, PurePosixPath(item.name)
    if media is None:
        return "give it the suffix of what it holds, or another file"
    if media.kind == "image":
        return _of_a_picture(media, name)
    if media.kind != "video":
        return "give another file"
    new = _other(name, ".mp4")
    if media.codec in _COPIED:
        return f"put it into an mp4 as it is: `ffmpeg -i {shlex.quote(str(name))} -an -c:v copy {new}`"
    even = "" if not _odd(media) else "-vf 'crop=trunc(iw/2)*2:trunc(ih/2)*2' "
    return f"convert it: `ffmpeg -i {shlex.quote(str(name))} -an {even}-crf 12 -pix_fmt yuv420p {new}`"


def _of_a_picture(media: Media, name: PurePosixPath) -> str:
    if suffix := _SUFFIX_OF.get(media.codec or ""):
        return f"call it {name.with_suffix(suffix)}"
    # without a curve the light of a scene is far too dark for a picture (`ffmpeg -h decoder=exr`)
    curve = "-apply_trc iec61966_2_1 " if media.codec == "exr" else ""
    return f"convert it: `ffmpeg {curve}-i {shlex.quote(str(name))} -pix_fmt rgb24 {_other(name, '.png')}`"


def _other(name: PurePosixPath, suffix: str) -> str:
    """A file name of its own, since ffmpeg cannot write what it reads."""
    new = name.with_suffix(suffix)
    return shlex.quote(str(new if new != name else name.with_stem(f"{name.stem}-new")))


def _odd(media: Media) -> bool:
    return bool((media.width or 0) % 2 or (media.height or 0) % 2)
