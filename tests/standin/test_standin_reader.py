"""Files as the stand-in reads them: as imageio, PyAV, Pillow and NumPy do in the toolkit."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from small_media import array, cut, damaged, picture, trimmed, turned, video

from cosmos_transfer.standin import reader


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "content", "frames", "fps"),
    [
        ("a.mp4", video(), 6, 24.0),
        ("ntsc.mp4", video(rate=Fraction(30000, 1001)), 6, 30000 / 1001),
        ("variable.mp4", video(12, left_out=(3, 4, 5, 8, 9), codec="libx264"), 7, 24.0),
        ("pieces.mp4", video(20, fragmented=True, codec="libx264"), 20, 24.0),
        ("sound.mov", video(sound=True, container="mov"), 6, 24.0),
        ("a.webm", video(codec="libvpx-vp9", container="webm"), 6, 24.0),
        ("CONTROL.MP4", video(), 6, 24.0),
        ("grey.avi", video(codec="rawvideo", pixels="gray", container="avi"), 6, 24.0),
        ("editor.mov", video(codec="prores_ks", pixels="yuv422p10le", container="mov"), 6, 24.0),
    ],
)
def test_a_video_has_its_frames_and_its_nominal_rate(
    tmp_path: Path, name: str, content: bytes, frames: int, fps: float
) -> None:
    clip = reader.read(put(tmp_path, name, content))
    assert (clip.frames, clip.decoded, clip.fps) == (frames, frames, fps)
    assert (clip.width, clip.height, clip.channels, clip.known) == (64, 48, 3, True)


def test_a_turned_video_lies(tmp_path: Path) -> None:
    clip = reader.read(put(tmp_path, "phone.mp4", turned(video())))
    assert (clip.width, clip.height) == (64, 48)


def test_frames_that_an_edit_list_hides_leave_undefined_ones_at_the_end(tmp_path: Path) -> None:
    clip = reader.read(put(tmp_path, "trimmed.mp4", trimmed(video(), hidden=2)))
    assert (clip.frames, clip.decoded) == (6, 4)


def test_av1_is_known_as_such(tmp_path: Path) -> None:
    assert reader.read(put(tmp_path, "a.mp4", video(codec="libsvtav1"))).codec == "av1"


def test_an_mp4_in_pieces_may_lose_its_end_without_a_word(tmp_path: Path) -> None:
    whole = video(20, fragmented=True, codec="libx264")
    clip = reader.read(put(tmp_path, "cut.mp4", whole[: whole.rindex(b"moof") - 4]))
    assert clip.frames == clip.decoded < 20


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("damaged.mp4", damaged(video(codec="libx264", noise=True)), "InvalidDataError", "avcodec_send_packet()"),
        ("cut.mp4", cut(video()), "OSError", "plugin `pyav`"),
        ("text.mp4", b"not a video", "OSError", "`pyav` can not handle the given uri."),
        ("a.mkv", video(), "TypeError", "Unsupported format: mkv"),
        ("a.gif", picture(codec="gif", pixels="rgb8"), "TypeError", "cannot unpack non-iterable GifImageFile object"),
        ("A.PNG", picture(), "TypeError", "cannot unpack non-iterable PngImageFile object"),
        ("grey.png", picture("gray"), "EinopsError", "Wrong shape: expected 4 dims. Received 3-dim tensor."),
        ("bits.png", picture("monob"), "EinopsError", "Received 3-dim tensor."),
        ("palette.png", picture("pal8"), "EinopsError", "Input tensor shape: (1, 48, 3)"),
        ("deep.png", picture("gray16be"), "EinopsError", "Received 3-dim tensor."),
        ("cut.png", cut(picture("rgb24"), 0.7), "OSError", "image file is truncated"),
        ("broken.png", picture().replace(b"IDAT", b"IDAT\xff", 1), "OSError", "broken data stream"),
        ("cut.jpg", picture("yuvj420p", "mjpeg")[:-1], "OSError", "image file is truncated"),
        ("text.png", b"not a picture", "OSError", "cannot identify image file"),
    ],
)
def test_what_cannot_be_read_ends_in_the_readers_words(
    tmp_path: Path, name: str, content: bytes, kind: str, words: str
) -> None:
    with pytest.raises(Exception, match=re.escape(words)) as caught:
        reader.read(put(tmp_path, name, content))
    assert type(caught.value).__name__ == kind


@pytest.mark.parametrize(
    ("name", "content", "channels"),
    [
        ("a.png", picture(), 3),
        ("a.jpg", picture("yuvj420p", "mjpeg"), 3),
        ("alpha.png", picture("rgba"), 3),
        ("deep.png", picture("rgb48be"), 3),
        ("deep_alpha.png", picture("rgba64be"), 3),
        ("deep_grey_alpha.png", picture("ya16be"), 3),
        ("grey_alpha.png", picture("ya8"), 2),
        ("unended.png", picture()[:-12], 3),
        ("really_a.png", picture("yuvj420p", "mjpeg"), 3),
        ("bitmap.png", picture("bgr24", "bmp"), 3),
    ],
)
def test_a_picture_is_opened_as_pillow_opens_it(tmp_path: Path, name: str, content: bytes, channels: int) -> None:
    clip = reader.read(put(tmp_path, name, content))
    assert (clip.frames, clip.width, clip.height, clip.channels) == (1, 64, 48, channels)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "CMYK")])
def test_the_colours_of_a_jpeg_are_counted(channels: int, mode: str) -> None:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 8 + 3 * channels, 8, 48, 64, channels) + bytes(3 * channels)
    thumbnail = b"\xff\xe1" + struct.pack(">H", 12) + b"\xff\xd8\xff\xc0\xff\xd9    "
    still = reader.still.look(b"\xff\xd8" + thumbnail + frame + b"\xff\xda\x00\x02..\xff\xd9")
    assert still is not None
    assert (still.mode, still.width, still.height) == (mode, 64, 48)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (array(name="mask"), ValueError, "does not contain 'arr_0'"),
        (array((6, 4)), ValueError, "axes don't match array"),
        (array((6, 4, 4, 3)), ValueError, "axes don't match array"),
        (array(kind="|O8"), ValueError, "Object arrays cannot be loaded"),
        (array(kind="<U1"), TypeError, "ufunc 'greater'"),
        (b"", EOFError, "No data left in file"),
        (b"text", ValueError, "pickled"),
        (cut(array()), Exception, "File is not a zip file"),
    ],
)
def test_an_array_that_is_no_mask(tmp_path: Path, content: bytes, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=re.escape(words)):
        reader.read_labels(put(tmp_path, "m.npz", content), None)


@pytest.mark.parametrize("kind", ["|u1", "<i8", "<f4", "|b1"])
def test_an_array_of_numbers_or_switches_is_a_mask(tmp_path: Path, kind: str) -> None:
    assert reader.read_labels(put(tmp_path, "m.npz", array((5, 4, 4), kind)), [1, 2]) == (5, kind == "|b1")


def test_labels_must_be_some(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="must be provided and not empty"):
        reader.read_labels(put(tmp_path, "m.npz", array()), [])
