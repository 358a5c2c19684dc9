"""Pictures made into a video with PyAV, one at a time, whatever their number.

Pictures to look at become H.264 of high quality (4:2:0, BT.709; 4:4:4 where a side is odd, which 4:2:0 cannot hold).
Where every value means something (depth, object regions, masks) they become lossless H.264 in RGB. The same pictures
give the same bytes: the number of threads is part of what x264 writes, so it is fixed.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import define, field

from cosmos_core.private import make_folder
from cosmos_core.sequences.finding import BadSequence, fault, printf_of, some
from cosmos_core.values import Problem

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream

RECIPE = 1
"""Counts the ways in which the same pictures were encoded; a remembered video of another one is not taken."""

_LOSSLESS = {"qp": "0", "preset": "veryfast", "threads": "4"}
_HIGH_QUALITY = {"crf": "12", "preset": "veryfast", "threads": "4"}
_A_DAY_S = 86_400
_BT709 = 1  # ITU-T H.273
_TV_RANGE = 1  # AVCOL_RANGE_MPEG

OnFrame = Callable[[int], None]
"""Told how many pictures are done."""


@define(kw_only=True)
class _Seen:
    """What the pictures showed so far."""

    sizes: dict[tuple[int, int], list[str]] = field(factory=dict)
    unreadable: list[str] = field(factory=list)
    deep: dict[tuple[int, str], list[Path]] = field(factory=dict)  # bits and a pixel format of 8 -> pictures
    transparent: bool = False

    @property
    def faulty(self) -> bool:
        return bool(self.unreadable or self.deep or len(self.sizes) > 1)


def encode(
    files: Sequence[Path], rate: Fraction, *, lossless: bool, to: Path | None, on_frame: OnFrame | None = None
) -> tuple[int, int, tuple[Problem, ...]]:
    """Look at every picture and write the video, whole or not at all; without `to` only look.

    Answers width, height and what to warn of. Raises BadSequence with all that is wrong, OSError where `to` cannot be
    written.
    """
    seen = _Seen()
    with _writer(to, rate, lossless=lossless) as put:
        for number, file in enumerate(files):
            frame = _decoded(file, seen)
            if frame is not None:
                _look(frame, file, seen, lossless=lossless)
                if not seen.faulty:
                    put(frame)
            if on_frame is not None and number + 1 < len(files):
                on_frame(number + 1)
        if faults := tuple(_faults(seen)):
            raise BadSequence(*faults)
    if on_frame is not None:  # only now is it written
        on_frame(len(files))
    [(width, height)] = seen.sizes
    return width, height, tuple(_warnings(seen))


def _decoded(file: Path, seen: _Seen) -> VideoFrame | None:
    """The picture; None, and said in `seen`, where it is damaged or none."""
    import av

    try:
        with av.open(str(file), "r") as container:
            stream = container.streams.video[0]
            if stream.codec_context.name in ("png", "mjpeg"):  # else ffmpeg fills in what is cut off, as grey
                stream.codec_context.options = {"err_detect": "explode"}
            return next(container.decode(stream))
    except (av.error.FFmpegError, OSError, IndexError, StopIteration):
        seen.unreadable.append(file.name)
        return None


def _look(frame: VideoFrame, file: Path, seen: _Seen, *, lossless: bool) -> None:
    seen.sizes.setdefault((frame.width, frame.height), []).append(file.name)
    bits = max(component.bits for component in frame.format.components)
    if lossless and bits > 8:
        gray = "gray" if frame.format.name.startswith(("gray", "ya")) else "rgb24"
        seen.deep.setdefault((bits, gray), []).append(file)
    if any(component.is_alpha for component in frame.format.components):
        seen.transparent = True


def _faults(seen: _Seen) -> Iterator[Problem]:
    if seen.unreadable:
        many = len(seen.unreadable) > 1
        message = f"{'these pictures are' if many else 'this picture is'} damaged or cut off: {some(seen.unreadable)}"
        yield fault(message, f"render {'them' if many else 'it'} again", "unreadable")
    if len(seen.sizes) > 1:
        (width, height), *others = sorted(seen.sizes, key=lambda size: -len(seen.sizes[size]))
        odd = some([f"{name} is {w}x{h}" for w, h in others for name in seen.sizes[w, h]])
        message = f"the pictures are not all of one size: {len(seen.sizes[width, height])} are {width}x{height}, {odd}"
        yield fault(message, "render them in one size", "mixed_sizes")
    for (bits, pixel), files in seen.deep.items():
        which = some([file.name for file in files])
        if len(files) > 1 and len(files) == sum(map(len, seen.sizes.values())):
            which = f"all {len(files)} pictures"
        message = f"{which} {'have' if len(files) > 1 else 'has'} {bits} bits a channel, and a video for this has 8"
        hint = (
            f"scale what you need to 0..255 and write 8-bit PNG (for depth: near is white); where all {bits} bits are "
            f"used: {_to_8_bits(files, pixel)}"
        )
        yield fault(message, hint, "too_deep")


def _to_8_bits(files: Sequence[Path], pixel: str) -> str:
    """One command for all of them."""
    first, name = printf_of(files[0].name, files[-1].name)
    source = shlex.quote(f"{str(files[0].parent).replace('%', '%%')}/{name}")
    to = f"-start_number {first} {shlex.quote(f'8bit/{name}')}"  # else its numbers begin with 1
    return f"`mkdir 8bit && ffmpeg -start_number {first} -i {source} -pix_fmt {pixel} {to}`"


def _warnings(seen: _Seen) -> Iterator[Problem]:
    if seen.transparent:
        message = "the pictures have a channel of transparency, which is left out"
        yield fault(message, "render over a background if they do not look right without", "transparency", "warning")


@contextmanager
def _writer(to: Path | None, rate: Fraction, *, lossless: bool) -> Iterator[Callable[[VideoFrame], None]]:
    """Takes pictures and makes `to` of them when all are there; what is not finished is removed."""
    if to is None:
        yield lambda _: None
        return
    import av

    make_folder(to.parent)
    _remove_remains(to.parent)
    partial = to.with_name(f".{os.getpid()}-{to.name}")
    video = _Video(partial, rate, lossless=lossless)
    try:
        yield video.put
        video.finish()
        partial.replace(to)
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
    finally:
        video.close()
        partial.unlink(missing_ok=True)


def _remove_remains(folder: Path) -> None:
    """What was left by those who were killed while they wrote; nobody writes one video for a day."""
    for partial in folder.glob(".*.mp4"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > _A_DAY_S:
                partial.unlink()


class _Video:
    """A file that is written picture by picture; its size is that of the first one."""

    def __init__(self, path: Path, rate: Fraction, *, lossless: bool) -> None:
        import av

        self._container = av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"})
        self._rate = rate
        self._lossless = lossless
        self._stream: VideoStream | None = None
        self._count = 0

    def put(self, picture: VideoFrame) -> None:
        """The next picture."""
        if self._stream is None:
            self._stream = self._begin(picture.width, picture.height)
        rgb = picture.reformat(format="rgb24")
        frame = rgb if self._lossless else self._for_the_screen(rgb, self._stream.pix_fmt)
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is still held back."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        import av

        with suppress(av.error.FFmpegError):
            self._container.close()

    def _begin(self, width: int, height: int) -> VideoStream:
        codec, options = ("libx264rgb", _LOSSLESS) if self._lossless else ("libx264", _HIGH_QUALITY)
        stream = cast("VideoStream", self._container.add_stream(codec, rate=self._rate, options=options))
        stream.width, stream.height = width, height
        if self._lossless:
            stream.pix_fmt = "rgb24"
        else:
            stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _TV_RANGE
        return stream

    @staticmethod
    def _for_the_screen(rgb: VideoFrame, pixel: str | None) -> VideoFrame:
        return rgb.reformat(format=pixel, dst_colorspace="ITU709", dst_color_range="MPEG")
