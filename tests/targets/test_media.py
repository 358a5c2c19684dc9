"""Looking into files: what kind, how many frames really, and why something cannot be read."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from cosmos_core.media import probe
from cosmos_core.values import Media


def clip(path: Path, *, frames: int = 12, rate: Fraction | int = 24, codec: str = "mpeg4", **options: str) -> Path:
    """A video of 64x48."""
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([index * 9 % 256]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def picture(path: Path, codec: str, pixel: str) -> Path:
    """A picture of 64x48."""
    coder: Any = av.CodecContext.create(codec, "w")
    coder.width, coder.height, coder.pix_fmt, coder.framerate = 64, 48, pixel, 1
    frame = av.VideoFrame(64, 48, pixel)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in (*coder.encode(frame), *coder.encode(None))))
    return path


def test_a_video(tmp_path: Path) -> None:
    assert probe(clip(tmp_path / "a.mp4")).media == Media(
        kind="video", width=64, height=48, frames=12, fps=24.0, pixel="yuv420p", codec="mpeg4", rotation=0
    )


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.avi", "A.MP4", "no suffix.bin.mp4"])
def test_containers(tmp_path: Path, name: str) -> None:
    media = probe(clip(tmp_path / name)).media
    assert (media.kind, media.frames) == ("video", 12)


def test_an_odd_rate(tmp_path: Path) -> None:
    media = probe(clip(tmp_path / "a.mp4", rate=Fraction(30000, 1001))).media
    assert media.fps == pytest.approx(29.97003)


def test_a_video_of_one_frame_is_a_video(tmp_path: Path) -> None:
    media = probe(clip(tmp_path / "a.mp4", frames=1)).media
    assert (media.kind, media.frames) == ("video", 1)


@pytest.mark.skipif("libx264" not in av.codecs_available, reason="this build of PyAV has no H.264 encoder")
def test_frames_that_come_late_are_counted(tmp_path: Path) -> None:
    """H.264 with pictures out of order: the decoder gives the first one only after several packets."""
    media = probe(clip(tmp_path / "a.mp4", codec="libx264")).media
    assert (media.codec, media.frames) == ("h264", 12)


def test_pictures(tmp_path: Path) -> None:
    for path in (picture(tmp_path / "a.png", "png", "rgb24"), picture(tmp_path / "a.jpg", "mjpeg", "yuvj420p")):
        media = probe(path).media
        assert (media.kind, media.width, media.height, media.frames, media.fps) == ("image", 64, 48, 1, None)


def turned(path: Path, degrees: int) -> Path:
    """An mp4 whose header asks players to turn it clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    for index, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[at + 4 * index : at + 4 * index + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_a_turned_video_has_the_size_that_is_seen(tmp_path: Path, degrees: int, size: tuple[int, int]) -> None:
    media = probe(turned(clip(tmp_path / "a.mp4"), degrees)).media
    assert (media.rotation, (media.width, media.height)) == (degrees, size)


@pytest.mark.parametrize("header", ["first", "last"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_video_is_not_read(tmp_path: Path, header: str, share: float) -> None:
    whole = clip(tmp_path / "a.mp4", frames=60, movflags="faststart" if header == "first" else "disable_chpl")
    data = whole.read_bytes()
    assert (data.index(b"moov") < data.index(b"mdat")) == (header == "first")
    start = data.index(b"mdat") if header == "first" else 0
    whole.write_bytes(data[: start + int((len(data) - start) * share)])
    seen = probe(whole)
    assert seen.media.kind == "unknown"
    assert "cut off" in seen.why


def test_what_is_no_media(tmp_path: Path) -> None:
    for name, data, why in (
        ("text.mp4", b"this is a text\n" * 50, "not a media file"),
        ("empty.mp4", b"", "empty"),
        ("noise.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 200, ""),
        ("half.jpg", b"\xff\xd8\xff", ""),
    ):
        (tmp_path / name).write_bytes(data)
        seen = probe(tmp_path / name)
        assert seen.media == Media(kind="unknown"), name
        assert why in seen.why
        assert seen.why


def test_sound_alone_is_no_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 44100
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no picture" in probe(tmp_path / "a.mp4").why


def test_other_kinds_go_by_their_suffix(tmp_path: Path) -> None:
    for name, kind in (("a.npy", "tensor"), ("a.JSON", "json"), ("a.yaml", "text"), ("a.txt", "text")):
        (tmp_path / name).write_text("{}")
        assert probe(tmp_path / name).media == Media(kind=kind)


def test_an_archive_of_arrays_tells_its_length(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (7, 2, 2), }\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(28))
    assert probe(tmp_path / "a.npz").media == Media(kind="tensor", frames=7)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    central = data.index(b"PK\x01\x02")
    for name, at, value in (("locked", 6, 1), ("unknown method", 8, 77)):
        broken = bytearray(data)
        broken[at] = broken[central + 2 + at] = value
        (tmp_path / f"{name}.npz").write_bytes(broken)
    packed = data.index(b"arr_0.npy") + 9
    (tmp_path / "damaged.npz").write_bytes(data[:packed] + b"\xff" * 30 + data[packed + 30 :])
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("text")
    for name in ("locked", "unknown method", "damaged", "cut", "text"):
        seen = probe(tmp_path / f"{name}.npz")
        assert seen.media == Media(kind="unknown"), name
        assert seen.why


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "absent.mp4")
    with pytest.raises(IsADirectoryError):
        probe(tmp_path)
