"""Files as phones, cameras and editors write them: what is said of each, with the command that helps."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from attrs import evolve
from small_media import give_way
from transfer_requests import PICTURE, VIDEO, asked, given_input

from cosmos_core import Input, Media, Problem
from cosmos_core.media import probe
from cosmos_transfer.transfer25 import validate_inputs
from cosmos_transfer.transfer25.pair_rules import shape_of
from cosmos_transfer.transfer25.parameters import MaskPrompts, Weights

SEG = Weights(seg=1.0)
TENSOR = Media(kind="tensor", frames=93, array="arr_0", shape=(93, 48, 64), dtype="|u1")


def seen(name: str, slot: str = "video", media: Media = VIDEO, *more: Any, **parameters: Any) -> list[Problem]:
    """What is said where `slot` holds such a file."""
    return validate_inputs(asked(given_input(slot, name, media), *more, **parameters))


def codes(problems: list[Problem]) -> dict[str, str]:
    return {problem.code: problem.severity for problem in problems}


def clip(
    path: Path, codec: str, pixel: str, *, rate: int = 24, kept: Callable[[int], bool] = lambda index: True
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel
        for index in filter(kept, range(30)):
            frame = av.VideoFrame(64, 48, pixel)
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    give_way()
    return path


# -- whole files ---------------------------------------------------------------------------------------------


def test_a_phones_clip_with_a_variable_rate(tmp_path: Path) -> None:
    media = probe(clip(tmp_path / "phone.mp4", "mpeg4", "yuv420p", rate=30, kept=lambda index: index % 7 != 3)).media
    [problem] = seen("phone.mp4", media=media)
    assert (problem.code, problem.severity) == ("variable_rate", "warning")
    assert "the result will have 30" in problem.message
    assert "`ffmpeg -i phone.mp4 -fps_mode cfr -r 30 phone-30fps.mp4`" in problem.hint


@pytest.mark.skipif("prores_ks" not in av.codecs_available, reason="this build of PyAV cannot write ProRes")
def test_a_cameras_prores_with_alpha(tmp_path: Path) -> None:
    media = probe(clip(tmp_path / "A001.mov", "prores_ks", "yuva444p10le")).media
    assert codes(seen("A001.mov", media=media)) == {"transparency": "warning"}
    media = probe(clip(tmp_path / "A002.mov", "prores_ks", "yuv422p10le")).media
    assert seen("A002.mov", media=media) == []


def test_an_editors_av1(tmp_path: Path) -> None:
    encoder = next((name for name in ("libsvtav1", "libaom-av1") if name in av.codecs_available), None)
    if encoder is None:
        pytest.skip("this build of PyAV cannot write AV1")
    media = probe(clip(tmp_path / "cut.mp4", encoder, "yuv420p")).media
    assert media.codec == "av1"
    assert seen("cut.mp4", media=media) == []
    for asked_for in ({"weights": SEG}, {"mask_prompt": MaskPrompts(edge="car")}):
        [problem] = seen("cut.mp4", media=media, **asked_for)
        assert (problem.code, problem.severity) == ("av1", "error")
        assert "-c:v libx264" in problem.hint


# -- videos --------------------------------------------------------------------------------------------------


def test_a_turned_clip_is_refused_where_things_are_looked_for() -> None:
    turned = evolve(VIDEO, width=48, height=64, rotation=90)
    assert codes(seen("rot.mp4", media=turned)) == {"rotation": "warning"}
    assert codes(seen("rot.mp4", media=turned, weights=SEG)) == {"rotation": "error"}
    given = given_input("seg", media=VIDEO)
    assert codes(seen("rot.mp4", "video", turned, given, weights=SEG)) == {"rotation": "warning"}


@pytest.mark.parametrize(
    ("facts", "code", "severity"),
    [
        ({"promised": 120}, "frames_promised", "error"),
        ({"promised": 24}, "frames_promised", "error"),
        ({"pixel": "pal8"}, "palette_video", "error"),
        ({"pixel": "rgba"}, "transparency", "warning"),
        ({"hdr": "HLG"}, "hdr", "warning"),
        ({"interlaced": True}, "interlaced", "warning"),
        ({"pixel_aspect": 64 / 45}, "pixel_aspect", "warning"),
        ({"sound": True}, "sound_lost", "warning"),
        ({"nominal_fps": 30000 / 1001, "fps": 29.9}, "fps_cut", "warning"),
    ],
)
def test_what_a_video_may_be(facts: dict[str, Any], code: str, severity: str) -> None:
    [problem] = seen("street.mp4", media=evolve(VIDEO, **facts))
    assert (problem.field, problem.code, problem.severity) == ("video", code, severity)
    assert "street.mp4" in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "pixel", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le", "gray", "gbrp", "rgb0"]
)
def test_what_a_reader_turns_into_rgb_is_in_order(pixel: str) -> None:
    """Seen with each: gray, 10 and 12 bits, 4:2:2, 4:4:4, RGB all come out as they should."""
    assert seen("a.mov", media=evolve(VIDEO, pixel=pixel, codec="h264", nominal_fps=24.0, promised=93)) == []


# -- pictures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixel", "codec", "word"),
    [
        ("pal8", "png", "palette"),
        ("monob", "png", "1 bit"),
        ("gray", "png", "gray"),
        ("gray", "mjpeg", "gray"),
        ("gray16be", "png", "16 bits"),
        ("ya8", "png", "alpha"),
        ("gbrap", "mjpeg", "CMYK"),
    ],
)
def test_a_picture_that_is_not_rgb(pixel: str, codec: str, word: str) -> None:
    media = evolve(PICTURE, pixel=pixel, codec=codec)
    [problem] = seen("still.png", media=media, num_video_frames_per_chunk=1)
    assert (problem.code, problem.severity) == ("picture_mode", "error")
    assert word in problem.message
    assert "`ffmpeg -i still.png -pix_fmt rgb24 still-rgb.png`" in problem.hint


@pytest.mark.parametrize(("pixel", "codec"), [("rgb24", "png"), ("rgb48be", "png"), ("yuvj420p", "mjpeg")])
def test_a_picture_that_is_rgb(pixel: str, codec: str) -> None:
    assert seen("still.png", media=evolve(PICTURE, pixel=pixel, codec=codec), num_video_frames_per_chunk=1) == []


# -- what goes along with the video --------------------------------------------------------------------------


@pytest.mark.parametrize("slot", ["depth", "mask.edge"])
def test_a_file_of_another_shape(slot: str) -> None:
    [problem] = seen("tall.mp4", slot, evolve(VIDEO, width=48, height=64))
    assert (problem.field, problem.code, problem.severity) == (slot, "other_shape", "error")
    assert "48x64" in problem.message
    assert "64x48" in problem.message
    assert "-vf scale=64:48" in problem.hint


def test_a_file_of_another_ratio_or_rate() -> None:
    wide = given_input("video", "w.mp4", evolve(VIDEO, width=1280, height=720))
    assert codes(seen("d.mp4", "depth", evolve(VIDEO, width=1280, height=800), wide)) == {"other_ratio": "warning"}
    assert seen("d.mp4", "depth", evolve(VIDEO, width=1280, height=704), wide) == []
    [problem] = seen("slow.mp4", "depth", evolve(VIDEO, fps=12.0))
    assert (problem.code, problem.severity) == ("other_rate", "warning")
    assert "12 frames a second" in problem.message
    assert seen("d.mp4", "depth", evolve(VIDEO, fps=24000 / 1001)) == []


def test_a_turned_clip_has_the_shape_that_is_stored() -> None:
    turned = given_input("video", "rot.mp4", evolve(VIDEO, width=48, height=64, rotation=90))
    assert codes(seen("d.mp4", "depth", VIDEO, turned)) == {"rotation": "warning"}
    upright = evolve(VIDEO, width=48, height=64)
    assert codes(seen("d.mp4", "depth", upright, turned)) == {"rotation": "warning", "other_shape": "error"}


def test_the_five_shapes() -> None:
    assert [shape_of(size) for size in ((1920, 1080), (640, 480), (500, 500), (480, 640), (1080, 1920))] == [
        "16:9", "4:3", "1:1", "3:4", "9:16",
    ]  # fmt: skip
    assert (shape_of((1280, 800)), shape_of((1500, 1000)), shape_of((2390, 1000))) == ("16:9", "4:3", "16:9")


def test_controls_end_where_the_toolkit_stops_reading() -> None:
    long = given_input("video", media=evolve(VIDEO, frames=6000))
    [problem] = seen("d.mp4", "depth", evolve(VIDEO, frames=6000), long, max_frames=5500)
    assert (problem.field, problem.code) == ("max_frames", "too_long")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"array": "mask"}, "looks for arr_0"),
        ({"shape": (93, 48, 64, 1)}, "93x48x64x1"),
        ({"dtype": "|b1"}, "hardly guide"),
        ({"dtype": "|O"}, "|O"),
        ({"dtype": "|i1"}, "|i1"),
    ],
)
def test_an_array_that_is_no_mask(facts: dict[str, Any], words: str) -> None:
    [problem] = seen("m.npz", "guided_generation_mask", evolve(TENSOR, **facts))
    assert (problem.code, problem.severity) == ("npz", "error")
    assert words in problem.message


@pytest.mark.parametrize("dtype", ["|u1", "<i8", "<f4", "<u2"])
def test_an_array_that_is_a_mask(dtype: str) -> None:
    assert seen("m.npz", "guided_generation_mask", evolve(TENSOR, dtype=dtype)) == []


# -- the request ---------------------------------------------------------------------------------------------


def test_weights_that_hold_nothing() -> None:
    [problem] = validate_inputs(asked(weights=Weights(edge=0.0, depth=0.0)))
    assert (problem.field, problem.code, problem.severity) == ("weights", "weights_zero", "error")


def test_a_prompt_longer_than_the_encoder_reads() -> None:
    [problem] = validate_inputs(asked(text="a street at night in the rain " * 100))
    assert (problem.field, problem.code, problem.severity) == ("text", "prompt_cut", "warning")
    assert validate_inputs(asked(text="a street at night in the rain " * 50)) == []


def frames_of(slot: str, first: int, last: int, **more: Any) -> Input:
    media = evolve(VIDEO, frames=last - first + 1, **more)
    return evolve(given_input(slot, f"{slot}.mp4", media), first_frame=first)


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        ((1001, 1090), "1001-1090: they are paired by position, so depth is 5 frames late"),
        ((1007, 1091), "1007-1091: they are paired by position, so depth is 1 frame early"),
        ((1006, 1091), "1006-1091: the last 1 of depth is not used"),
        ((1006, 1090), None),
    ],
)
def test_frames_that_do_not_belong_together(depth: tuple[int, int], message: str | None) -> None:
    request = asked(frames_of("video", 1006, 1090), frames_of("depth", *depth))
    found = [(p.field, p.severity, p.message) for p in validate_inputs(request)]
    words = f"video has the frames 1006-1090 and depth {message}"
    assert found == ([("depth", "warning", words)] if message else [])


def test_of_pictures_no_file_is_named_that_is_not_there() -> None:
    request = asked(
        frames_of("video", 1, 93),
        frames_of("depth", 1, 80, fps=12.0, width=68),
    )
    found = {p.code: f"{p.message} -> {p.hint}" for p in validate_inputs(request)}
    assert found.keys() == {"too_short", "other_rate", "other_ratio"}
    assert "depth (1-80) has 80 frames, and 93 are read from video (1-93)" in found["too_short"]
    assert found["other_rate"].endswith("-> give it the same rate: --input-fps depth=24")
    assert found["other_ratio"].endswith("-> render it in 64x48")
    assert not any(word in told for told in found.values() for word in ("ffmpeg", ".mp4"))
