"""Pictures made into videos: what becomes of their pixels, and what is refused."""

from __future__ import annotations

import os
import subprocess
import time
from fractions import Fraction
from pathlib import Path
from statistics import mean

import av
import pytest
from pictures import pixels_of, write_picture, write_sequence

from cosmos_core.media import probe
from cosmos_core.sequences import BadSequence
from cosmos_core.sequences.encoding import encode
from cosmos_core.sequences.finding import printf_of

FILM = Fraction(24000, 1001)


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def faults_of(files: list[Path], *, lossless: bool = False) -> dict[str, str]:
    with pytest.raises(BadSequence) as caught:
        encode(files, FILM, lossless=lossless, to=None)
    return {problem.code: problem.message for problem in caught.value.problems}


def test_lossless_means_every_value(tmp_path: Path) -> None:
    files = files_of(write_sequence(tmp_path / "f", size=(33, 17)))
    encode(files, FILM, lossless=True, to=tmp_path / "v.mp4")
    assert pixels_of(tmp_path / "v.mp4") == [pixels_of(file)[0] for file in files]


def test_grey_depth_keeps_its_values(tmp_path: Path) -> None:
    files = [write_picture(tmp_path / f"{n}.png", n, pixel="gray") for n in (1, 2)]
    encode(files, FILM, lossless=True, to=tmp_path / "v.mp4")
    assert pixels_of(tmp_path / "v.mp4") == [pixels_of(file)[0] for file in files]


@pytest.mark.parametrize(("size", "pixel"), [((64, 32), "yuv420p"), ((63, 31), "yuv444p"), ((64, 31), "yuv444p")])
def test_pictures_look_the_same(tmp_path: Path, size: tuple[int, int], pixel: str) -> None:
    files = files_of(write_sequence(tmp_path / "f", size=size))
    assert encode(files, FILM, lossless=False, to=tmp_path / "v.mp4") == (*size, ())
    media = probe(tmp_path / "v.mp4").media
    assert (media.width, media.height, media.frames, media.pixel, media.codec) == (*size, 4, pixel, "h264")
    assert media.fps == pytest.approx(24 / 1.001)
    for frame, file in zip(pixels_of(tmp_path / "v.mp4"), files, strict=True):
        original = pixels_of(file)[0]
        for channel in range(3):
            assert mean(frame[channel::3]) == pytest.approx(mean(original[channel::3]), abs=3)


def test_the_rate_is_exact_and_constant(tmp_path: Path) -> None:
    encode(files_of(write_sequence(tmp_path / "f")), FILM, lossless=False, to=tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.guessed_rate) == (FILM, FILM)
        assert [frame.time for frame in container.decode(stream)] == pytest.approx([n / float(FILM) for n in range(4)])


@pytest.mark.parametrize("lossless", [True, False])
def test_the_same_pictures_make_the_same_bytes(tmp_path: Path, lossless: bool) -> None:
    files = files_of(write_sequence(tmp_path / "f"))
    for name in ("a.mp4", "b.mp4"):
        encode(files, FILM, lossless=lossless, to=tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_picture_that_is_cut_off_is_named(tmp_path: Path, suffix: str, keep: float) -> None:
    files = [
        write_picture(tmp_path / f"{n}{suffix}", n, pixel="rgb24" if suffix == ".png" else "yuvj420p") for n in (1, 2)
    ]
    os.truncate(files[1], int(files[1].stat().st_size * keep))
    assert faults_of(files) == {"unreadable": f"this picture is damaged or cut off: 2{suffix}"}


def test_all_faults_come_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    files = [write_picture(tmp_path / "f" / f"{n}.png", n) for n in (1, 2, 3, 4)]
    write_picture(files[1], size=(30, 16))
    write_picture(files[3], pixel="gray16be")
    files[2].write_text("no picture")
    with pytest.raises(BadSequence) as caught:
        encode(files, FILM, lossless=True, to=tmp_path / "out" / "v.mp4")
    messages = [problem.message for problem in caught.value.problems]
    assert messages[0].endswith("damaged or cut off: 3.png")
    assert messages[1] == "the pictures are not all of one size: 2 are 32x16, 2.png is 30x16"
    assert messages[2] == "4.png has 16 bits a channel, and a video for this has 8"
    assert files_of(tmp_path / "out") == []


def test_one_command_makes_8_bits_of_all_that_are_deeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = tmp_path / "it's depth"
    files = [write_picture(frames / f"d2_{n:04d}.png", n, pixel="gray16be") for n in range(9, 16)]
    with pytest.raises(BadSequence) as caught:
        encode(files, FILM, lossless=True, to=None)
    [problem] = caught.value.problems
    assert problem.message == "all 7 pictures have 16 bits a channel, and a video for this has 8"
    monkeypatch.chdir(tmp_path)
    subprocess.run(problem.hint.split("`")[1], shell=True, check=True, capture_output=True)
    mended = files_of(tmp_path / "8bit")
    assert [file.name for file in mended] == [file.name for file in files]
    encode(mended, FILM, lossless=True, to=None)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("d.1001.png", "d.1090.png", (1001, "d.%04d.png")),
        ("d_9.png", "d_10.png", (9, "d_%d.png")),
        ("d_0999.png", "d_10000.png", (999, "d_%04d.png")),
        ("s01_0001_v2.png", "s01_0004_v2.png", (1, "s01_%04d_v2.png")),
        ("100%.1.png", "100%.3.png", (1, "100%%.%01d.png")),
    ],
)
def test_names_as_ffmpeg_takes_them(first: str, last: str, told: tuple[int, str]) -> None:
    assert printf_of(first, last) == told


def test_pictures_to_look_at_may_have_16_bits(tmp_path: Path) -> None:
    files = [write_picture(tmp_path / f"{n}.png", n, pixel="rgb48be") for n in (1, 2)]
    encode(files, FILM, lossless=False, to=tmp_path / "v.mp4")
    assert probe(tmp_path / "v.mp4").media.frames == 2
    assert "too_deep" in faults_of(files, lossless=True)


def test_transparency_is_warned_of(tmp_path: Path) -> None:
    files = [write_picture(tmp_path / f"{n}.png", n, pixel="rgba") for n in (1, 2)]
    [warning] = encode(files, FILM, lossless=False, to=None)[2]
    assert (warning.code, warning.severity) == ("transparency", "warning")


def test_a_video_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        encode(files_of(write_sequence(tmp_path / "f")), FILM, lossless=False, to=tmp_path / "file" / "v.mp4")


def test_what_killed_encoders_left_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".1-a.mp4", 90_000), (".2-b.mp4", 60), ("c.mp4", 90_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    encode(files_of(write_sequence(tmp_path / "f")), FILM, lossless=True, to=tmp_path / "v.mp4")
    assert {file.name for file in tmp_path.glob("*.mp4")} == {".2-b.mp4", "c.mp4", "v.mp4"}
