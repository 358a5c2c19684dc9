"""Looking into files: what kind, how many frames really, and why something cannot be read."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.cut import is_cut
from cosmos_core.media import outdated, probe
from cosmos_core.values import Media


def clip(
    path: Path,
    *,
    frames: int = 12,
    rate: Fraction | int = 24,
    codec: str = "mpeg4",
    pixel: str = "",
    transfer: int | None = None,
    sound: bool = False,
    kept: Callable[[int], bool] = lambda index: True,
    **options: str,
) -> Path:
    """A video of 64x48; `kept` says which frames stay, the others leave a gap in time."""
    pixel = pixel or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel
        if transfer is not None:
            stream.codec_context.color_trc = transfer
        if sound:
            samples: Any = container.add_stream("aac", rate=44100)
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.sample_rate = 44100
            for channel in silence.planes:
                channel.update(bytes(channel.buffer_size))
            container.mux((*samples.encode(silence), *samples.encode(None)))
        for index in filter(kept, range(frames)):
            frame = av.VideoFrame(64, 48, pixel)
            frame.pts, frame.time_base = index, 1 / Fraction(rate)
            if transfer is not None:
                frame.color_trc = transfer
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
        kind="video",
        width=64,
        height=48,
        frames=12,
        fps=24.0,
        pixel="yuv420p",
        codec="mpeg4",
        rotation=0,
        nominal_fps=24.0,
        promised=12,
        sound=False,
        interlaced=False,
        pixel_aspect=1.0,
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


CONTAINERS = {"a.mp4": {}, "b.mov": {}, "c.mp4": {"movflags": "frag_keyframe+empty_moov"}, "d.mkv": {}, "e.avi": {}}


@pytest.mark.parametrize("name", CONTAINERS)
def test_however_it_is_cut_it_is_seen(tmp_path: Path, name: str) -> None:
    """Decoders give what is there of an AVI, a WebM or a fragmented mp4 and say nothing."""
    data = clip(tmp_path / name, frames=60, **CONTAINERS[name]).read_bytes()
    assert not is_cut(io.BytesIO(data))
    for share in range(1, 20):
        assert is_cut(io.BytesIO(data[: len(data) * share // 20])), share
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    seen = probe(tmp_path / name)
    assert "cut off" in seen.why
    assert "again" in seen.hint


@pytest.mark.parametrize(("name", "codec", "pixel"), [("a.jpg", "mjpeg", "yuvj420p"), ("a.png", "png", "rgb24")])
def test_a_cut_picture_is_not_read(tmp_path: Path, name: str, codec: str, pixel: str) -> None:
    """ffmpeg fills a cut JPEG up with gray; a thumbnail's end in its header is not the end."""
    whole = picture(tmp_path / name, codec, pixel).read_bytes()
    if codec == "mjpeg":
        thumbnail = b"\xff\xe1\x00\x08Ex\xff\xd9if"
        whole = whole[:2] + thumbnail + whole[2:]
    assert not is_cut(io.BytesIO(whole))
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    assert probe(tmp_path / name).why == "it is cut off"


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\0\0\0\x18ftyp", b"RIFF", b"\x1aE\xdf\xa3", b"\xff\xd8\xff\xe0"])
)
def test_no_bytes_are_too_odd_to_be_looked_at(data: bytes, head: bytes) -> None:
    is_cut(io.BytesIO(head + data))


def test_damage_in_the_middle_is_found_and_placed(tmp_path: Path) -> None:
    """Whole by its header, and a hole in the pictures: a bad card, a broken download."""
    path = clip(tmp_path / "street.mp4", frames=40, codec="mjpeg")
    data = bytearray(path.read_bytes())
    hole = range(len(data) // 2, len(data) // 2 + len(data) // 10)
    data[hole.start : hole.stop] = bytes(len(hole))
    path.write_bytes(data)
    seen = probe(path)
    found = re.fullmatch(r"it is damaged near frame (\d+)", seen.why)
    assert found is not None, seen
    assert 15 <= int(found[1]) <= 25
    assert "ffmpeg -i street.mp4 street-mended.mp4" in seen.hint


def test_the_rate_that_was_meant_and_the_rate_on_average(tmp_path: Path) -> None:
    """A phone's clip: 30 frames a second, some of them dropped."""
    path = clip(tmp_path / "phone.mp4", frames=60, rate=30, kept=lambda index: index % 7 != 3)
    media = probe(path).media
    assert media.nominal_fps == 30
    assert media.fps is not None
    assert 25 < media.fps < 27


def test_what_was_trimmed_without_encoding_plays_fewer_frames_than_it_promises(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=48)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "trimmed.mp4"), "w") as trimmed:
        source = whole.streams.video[0]
        stream = trimmed.add_stream_from_template(source)
        for packet in whole.demux(source):
            if packet.dts is not None and packet.pts is not None:
                packet.stream = stream
                packet.pts -= 20 * 512
                packet.dts -= 20 * 512
                trimmed.mux(packet)
    media = probe(tmp_path / "trimmed.mp4").media
    assert media.promised == 48
    assert media.frames is not None
    assert media.frames < 48


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (1, None)])
def test_hdr(tmp_path: Path, transfer: int, name: str | None) -> None:
    assert probe(clip(tmp_path / "a.mkv", codec="ffv1", transfer=transfer)).media.hdr == name


def test_sound_is_seen(tmp_path: Path) -> None:
    assert probe(clip(tmp_path / "a.mp4", sound=True)).media.sound is True


def test_a_phones_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    seen = probe(tmp_path / "IMG_1.HEIC")
    assert "HEIC" in seen.why
    assert seen.hint.endswith("heif-convert IMG_1.HEIC IMG_1.png")


def test_what_an_older_version_saw_is_looked_at_again(tmp_path: Path) -> None:
    assert outdated(Media(kind="video", frames=12, fps=24.0))
    assert outdated(Media(kind="tensor", frames=7))
    assert not outdated(Media(kind="tensor"))
    assert not outdated(probe(clip(tmp_path / "a.mp4")).media)


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
    assert probe(tmp_path / "a.npz").media == Media(
        kind="tensor", frames=7, array="arr_0", shape=(7, 2, 2), dtype="|u1"
    )
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
