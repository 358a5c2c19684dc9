"""Requests of Cosmos-Transfer2.5 for tests: one that is in order, and a strategy of all that are."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cosmos_core import Input, Media, Request
from cosmos_transfer.transfer25.parameters import (
    CONTROLS,
    NAME,
    PRESETS,
    RESOLUTIONS,
    MaskPrompts,
    Parameters,
    Weights,
)

VIDEO = Media(kind="video", width=64, height=48, frames=93, fps=24.0)
PICTURE = Media(kind="image", width=64, height=48, frames=1)


def given_input(slot: str, name: str = "", media: Media | None = VIDEO) -> Input:
    """A file for a slot."""
    return Input(slot=slot, name=name or f"{slot.replace('.', '_')}.mp4", media=media)


def asked(
    *inputs: Input,
    id: str = "rs_1",  # noqa: A002  the field's name
    text: str = "a street at night",
    **parameters: Any,
) -> Request[Parameters]:
    """A request with a video and, unless `weights` says otherwise, the edge control."""
    own = {item.slot for item in inputs}
    parameters.setdefault("weights", Weights(edge=1.0))
    return Request(
        id=id,
        model="transfer",
        toolkit=NAME,
        text=text,
        inputs=(*(() if "video" in own else (given_input("video"),)), *inputs),
        parameters=Parameters(**parameters),
        given=tuple(parameters),
    )


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
prompts = texts.map(lambda text: text if text.strip() else f"{text}a")
ids = st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True)
_stems = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=8)


def _videos(slot: str, frames: int) -> st.SearchStrategy[Input]:
    return st.builds(
        lambda stem, suffix, more: Input(
            slot=slot,
            name=stem + suffix,
            media=Media(kind="video", width=64, height=48, frames=frames + more, fps=24.0),
        ),
        _stems,
        st.sampled_from((".mp4", ".MP4", ".mov", ".Webm", ".avi")),
        st.integers(0, 3),
    )


@st.composite
def valid_requests(draw: st.DrawFn, id: str | None = None) -> Request[Parameters]:  # noqa: A002  the field's name
    """Any request that has nothing wrong with it but for warnings; every setting may vary."""
    picture = draw(st.booleans())
    frames = 1 if picture else draw(st.sampled_from((*range(2, 13), 94)))
    chunk = 1 if picture else 93
    overlap = draw(st.integers(0, 2))
    distilled = draw(st.booleans())
    used = {"edge"} if distilled else draw(st.sets(st.sampled_from(CONTROLS), min_size=1))
    weights: dict[str, float] = {}
    mask_prompts: dict[str, str] = {}
    inputs = [draw(_videos("video", frames))]
    if picture and draw(st.booleans()):
        inputs = [Input(slot="video", name=draw(_stems) + ".JPG", media=PICTURE)]
    length = inputs[0].media.frames if inputs[0].media else frames
    assert length is not None
    for control in sorted(used):
        how = draw(st.sampled_from(("weight", "file", "both")))
        if how != "file":
            weights[control] = draw(st.floats(0, 1, exclude_min=not weights))  # one has to hold the video
        if how != "weight":
            inputs.append(draw(_videos(control, length)))
        if draw(st.booleans()):
            inputs.append(draw(_videos(f"mask.{control}", length)))
        if draw(st.booleans()):
            mask_prompts[control] = draw(prompts)
    limit = None if picture else draw(st.none() | st.integers(2, frames))
    read = min(limit or length, length)
    if not picture and overlap == 0 and read > chunk and read % chunk == 1:
        limit = read - 1  # one frame left for the last chunk
    told: dict[str, Any] = {
        "num_video_frames_per_chunk": chunk,
        "max_frames": 1 if picture else limit,
        "num_steps": 4 if distilled else draw(st.integers(1, 60)),
        "guidance": draw(st.integers(0, 7)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "sigma_max": None if distilled else draw(st.none() | st.floats(0, 200)),
        "negative_prompt": draw(prompts),
        "resolution": draw(st.sampled_from(RESOLUTIONS)),
        "num_conditional_frames": overlap,
        "distilled": distilled,
        **{
            flag: draw(st.booleans())
            for flag in (
                "keep_input_resolution",
                "show_control_condition",
                "show_input",
                "disable_guardrails",
                "offload_guardrail_models",
            )
        },
    }
    if "edge" in used:
        told["edge_threshold"] = draw(st.sampled_from(PRESETS))
    if "vis" in used:
        told["blur_strength"] = draw(st.sampled_from(PRESETS))
    elif draw(st.booleans()):
        inputs.append(Input(slot="image_context", name=draw(_stems) + ".png", media=PICTURE))
    if "seg" in used:
        told["seg_prompt"] = draw(st.none() | prompts)
    if not picture and draw(st.booleans()):
        told["context_frame_index"] = draw(st.integers(1, length - 1))
    if draw(st.booleans()):
        told["guided_generation_step_threshold"] = draw(st.integers(0, 40))
        if draw(st.booleans()):
            inputs.append(Input(slot="guided_generation_mask", name="m.npz", media=Media(kind="tensor")))
            told["guided_generation_foreground_labels"] = draw(
                st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
            )
        else:
            inputs.append(
                Input(
                    slot="guided_generation_mask",
                    name="m.mp4",
                    media=Media(kind="video", width=64, height=48, frames=length, fps=24.0),
                )
            )
    return Request(
        id=id or draw(ids),
        model="transfer",
        toolkit=NAME,
        text=draw(prompts),
        inputs=tuple(inputs),
        parameters=Parameters(weights=Weights(**weights), mask_prompt=MaskPrompts(**mask_prompts), **told),
        given=("weights", "mask_prompt", *told),
        gpus=draw(st.sampled_from((None, 1) if picture else (None, 1, 2, 4, 8))),
    )
