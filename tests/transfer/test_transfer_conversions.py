"""The commands that are offered for files which the toolkit does not open do what they say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from cosmos_core import Input, Media
from cosmos_transfer.transfer25.conversions import conversion


def clip(path: Path, codec: str, pixel: str) -> Path:
    """Three frames of 64x48."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel
        for number in range(3):
            frame = av.VideoFrame(64, 48, pixel)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def put_into_mp4(source: Path, to: Path) -> int:
    """What `-c:v copy` does; how many frames are there then."""
    with av.open(str(source)) as old, av.open(str(to), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    with av.open(str(to)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "pixel"),
    [("libx264", "yuv420p"), ("mpeg4", "yuv420p"), ("mpeg2video", "yuv420p"), ("mjpeg", "yuvj420p")],
)
def test_what_is_to_be_copied_can_be(tmp_path: Path, codec: str, pixel: str) -> None:
    source = clip(tmp_path / "a.mkv", codec, pixel)
    with av.open(str(source)) as container:
        name = container.streams.video[0].codec_context.name
    item = Input(slot="video", name="my take.mkv", media=Media(kind="video", codec=name, width=64, height=48))
    remedy = conversion(item)
    assert remedy == "put it into an mp4 as it is: `ffmpeg -i 'my take.mkv' -an -c:v copy 'my take.mp4'`"
    assert put_into_mp4(source, tmp_path / "a.mp4") == 3


@pytest.mark.parametrize("codec", ["gif", "ffv1", "prores", "vp8", "theora", "rawvideo"])
def test_what_an_mp4_does_not_hold_is_encoded(codec: str) -> None:
    item = Input(slot="video", name="a.gif", media=Media(kind="video", codec=codec, width=64, height=48))
    assert conversion(item) == "convert it: `ffmpeg -i a.gif -an -crf 12 -pix_fmt yuv420p a.mp4`"
    odd = Input(slot="video", name="a.gif", media=Media(kind="video", codec=codec, width=63, height=48))
    assert "-vf 'crop=trunc(iw/2)*2:trunc(ih/2)*2'" in conversion(odd)


@pytest.mark.parametrize(
    ("name", "codec", "remedy"),
    [
        ("a.exr", "exr", "convert it: `ffmpeg -apply_trc iec61966_2_1 -i a.exr -pix_fmt rgb24 a.png`"),
        ("a.webp", "webp", "convert it: `ffmpeg -i a.webp -pix_fmt rgb24 a.png`"),
        ("a.tif", "tiff", "convert it: `ffmpeg -i a.tif -pix_fmt rgb24 a.png`"),
        ("a.mp4", "png", "call it a.png"),
        ("a.mp4", "mjpeg", "call it a.jpg"),
        ("a.png", "bmp", "convert it: `ffmpeg -i a.png -pix_fmt rgb24 a-new.png`"),
    ],
)
def test_pictures(name: str, codec: str, remedy: str) -> None:
    assert conversion(Input(slot="video", name=name, media=Media(kind="image", codec=codec))) == remedy


def test_an_exr_is_not_put_into_an_mp4(tmp_path: Path) -> None:
    """The option of the remedy is one of the decoder, and makes a picture lighter."""
    path = tmp_path / "a.exr"
    frame = av.VideoFrame(8, 8, "rgb24")
    frame.planes[0].update(bytes([64]) * frame.planes[0].buffer_size)
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("exr", rate=1)
        stream.width = stream.height = 8
        stream.pix_fmt = "gbrpf32le"
        container.mux(stream.encode(frame.reformat(format="gbrpf32le")))
        container.mux(stream.encode(None))
    shades = []
    for options in ({}, {"apply_trc": "iec61966_2_1"}):
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.options = options
            picture = next(container.decode(video=0))
            shades.append(bytes(picture.reformat(format="rgb24").planes[0])[0])
    assert shades[0] < shades[1]


def test_an_unknown_file_gets_plain_words() -> None:
    assert "suffix" in conversion(Input(slot="video", name="a"))
