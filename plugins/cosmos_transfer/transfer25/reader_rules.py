"""What the toolkit's readers make of a file's pixels, which its parser takes unseen.

Videos are read with imageio and PyAV, pictures with Pillow, and for words (computed seg, mask prompts) with OpenCV.
Each rule was found by reading such files with imageio 2.37.0, PyAV 16.0.1, Pillow and OpenCV 4.11.0.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from cosmos_core import Input, Media, Problem, Request
from cosmos_transfer.transfer25.asked import Control
from cosmos_transfer.transfer25.parameters import Parameters

_SDR = "-vf zscale=t=linear:npl=203,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p"
_NUMBERS = frozenset({"u1", "u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8"})
"""Elements of a mask in which 255 can be written; in a bool it becomes 1."""


def command(item: Input, options: str, mark: str, suffix: str = "") -> str:
    """An ffmpeg command that makes a mended copy under a name of its own."""
    path = PurePosixPath(item.name)
    copy = f"{path.stem}-{mark}{suffix or path.suffix}"
    return f"`ffmpeg -i {shlex.quote(item.name)} {options}{' ' * bool(options)}{shlex.quote(copy)}`"


def called(item: Input) -> str:
    """What a message calls it: the video of an image sequence is no file that the user knows."""
    return item.name if item.first_frame is None else item.slot


def at_rate(item: Input, rate: float) -> str:
    """How to give it another, constant rate."""
    if item.first_frame is not None:
        return f"--input-fps {item.slot}={rate:.5g}"
    return command(item, f"-r {rate:.5g}", f"{rate:.5g}fps")


def about_readers(item: Input) -> Iterator[Problem]:
    """What comes of one file, whatever else is asked."""
    media = item.media
    if media is None:
        return
    if media.kind == "image":
        yield from _about_a_picture(item, media)
    elif media.kind == "video":
        yield from _about_the_header(item, media)
        yield from _about_pixels(item, media)
    elif media.kind == "tensor" and item.slot == "guided_generation_mask":
        yield from _about_an_array(item, media)


def _about_a_picture(item: Input, media: Media) -> Iterator[Problem]:
    if word := _not_rgb(media):
        yield Problem(
            field=item.slot,
            message=f"{item.name} is {word}, and of pictures the toolkit takes RGB only",
            hint=f"convert it: {command(item, '-pix_fmt rgb24', 'rgb', '.png')}",
            code="picture_mode",
        )
    elif _has_alpha(media.pixel):
        yield _warning(
            item,
            f"{item.name} has an alpha channel: what is see-through becomes white",
            "put it over a background of your choice first",
            "transparency",
        )


def _not_rgb(media: Media) -> str:
    """What else than RGB a picture is; "" for RGB. Pillow reads 16-bit gray with alpha as RGBA, and 8-bit not."""
    pixel = media.pixel or ""
    if pixel == "pal8":
        return "a palette picture"
    if pixel.startswith("mono"):
        return "black and white, of 1 bit"
    if pixel == "ya8":
        return "gray with alpha"
    if pixel.startswith("gray"):
        return "gray, of 16 bits" if "16" in pixel else "gray"
    if media.codec == "mjpeg" and _has_alpha(pixel):
        return "a CMYK picture"  # of which Pillow gives four channels, read as RGB and alpha
    return ""


def _has_alpha(pixel: str | None) -> bool:
    return (pixel or "").startswith(("yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya"))


def _about_the_header(item: Input, media: Media) -> Iterator[Problem]:
    """imageio makes room for as many frames as the header promises; nobody fills or cuts what is over."""
    if media.promised is None or media.frames is None or media.promised == media.frames:
        return
    then = "fills the rest with noise" if media.promised > media.frames else f"stops at frame {media.promised + 1}"
    yield Problem(
        field=item.slot,
        message=f"{item.name} promises {media.promised} frames and {media.frames} come out (trimmed without "
        f"re-encoding, recorded in fragments, or damaged): the toolkit {then}",
        hint=f"write it anew: {command(item, '', 'new')}",
        code="frames_promised",
    )


def _about_pixels(item: Input, media: Media) -> Iterator[Problem]:
    if media.pixel == "pal8":
        yield Problem(
            field=item.slot,
            message=f"{item.name} has a palette, which the toolkit's reader loses: every frame is black",
            hint=f"convert it: {command(item, '-pix_fmt yuv420p', 'rgb', '.mp4')}",
            code="palette_video",
        )
    if _has_alpha(media.pixel):
        yield _warning(
            item,
            f"{item.name} has an alpha channel, which is dropped: what is see-through shows the colour below it",
            "put it over a background first, as you export it",
            "transparency",
        )
    if media.hdr:
        yield _warning(
            item,
            f"{item.name} is HDR ({media.hdr}), and the toolkit reads it as if it were not: pale colours",
            f"convert it: {command(item, _SDR, 'sdr', '.mp4')}",
            "hdr",
        )
    if media.interlaced:
        yield _warning(
            item,
            f"{item.name} is interlaced, and its lines are read woven: moving edges look like combs",
            f"deinterlace it: {command(item, '-vf bwdif=mode=send_frame', 'progressive')}",
            "interlaced",
        )
    if media.pixel_aspect and abs(media.pixel_aspect - 1) > 0.01:
        yield _warning(
            item,
            f"{item.name} has pixels that are not square ({media.pixel_aspect:.3g}:1), and the toolkit takes them for "
            "square: the result looks squeezed",
            f"make them square: {command(item, '-vf scale=iw*sar:ih,setsar=1', 'square')}",
            "pixel_aspect",
        )


def _about_an_array(item: Input, media: Media) -> Iterator[Problem]:
    if media.array not in (None, "arr_0"):
        yield _mask(item, f"holds {media.array}, and the toolkit looks for arr_0", "np.savez_compressed(FILE, mask)")
    if media.shape is not None and len(media.shape) != 3:
        shape = "x".join(map(str, media.shape))
        yield _mask(item, f"is {shape or 'a number'}, not frames x height x width", "give it three dimensions")
    if media.dtype is not None and media.dtype.lstrip("<>|=") not in _NUMBERS:
        told = "true and false, which hardly guide at all" if "b1" in media.dtype else f"elements of {media.dtype}"
        yield _mask(item, f"holds {told}", 'np.savez_compressed(FILE, mask.astype("uint8"))')


def _mask(item: Input, message: str, hint: str) -> Problem:
    return Problem(field=item.slot, message=f"{item.name} {message}", hint=hint, code="npz")


def read_by_opencv(controls: tuple[Control, ...]) -> tuple[str, ...]:
    """What of a request is found by words in the video."""
    seg = ("seg" for control in controls if control.name == "seg" and control.file is None)
    masks = (f"mask_prompt.{c.name}" for c in controls if c.mask_prompt is not None and c.mask is None)
    return (*seg, *masks)


def about_opencv(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    """What OpenCV reads otherwise than PyAV does."""
    video = request.one("video")
    wanted = read_by_opencv(controls)
    if video is None or video.media is None or not wanted:
        return
    names = " and ".join(wanted)
    if video.media.codec == "av1":
        yield Problem(
            field="video",
            message=f"{video.name} is AV1, which cannot be decoded for {names}: the GPU would be held without end",
            hint=f"make it H.264: {command(video, '-c:v libx264 -crf 12 -pix_fmt yuv420p', 'h264', '.mp4')}",
            code="av1",
        )
    if video.media.rotation:
        yield Problem(
            field="video",
            message=f"{video.name} is stored turned by {video.media.rotation} degrees: it is read upright for {names} "
            "and lying for all else, so the two do not fit",
            hint=f"write the rotation into the pictures: {command(video, '', 'upright')}",
            code="rotation",
        )


def _warning(item: Input, message: str, hint: str, code: str) -> Problem:
    return Problem(field=item.slot, message=message, hint=hint, code=code, severity="warning")
