"""What one sample leaves behind: its controls, masks and result, made from the files that came in."""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from . import media
from .inputs import Inputs
from .picture import Picture, beside, changed, derived
from .reader import load_av
from .spec import Sample


class Work:
    """One sample's files on the way out, once all that goes in is loaded."""

    def __init__(self, sample: Sample, inputs: Inputs) -> None:
        clip = inputs.clip
        self._sample = sample
        self._known = clip.known
        self._frames = inputs.out_frames
        self._mask_frames = inputs.mask_frames
        self.suffix = ".jpg" if self._frames == 1 else ".mp4"
        self._size = inputs.video.size
        if sample.arguments["keep_input_resolution"]:
            self._size = (max(2, clip.width & ~1), max(2, clip.height & ~1))
        # int(29.97) is 29 there too; a rate below one would stop the encoder
        self._fps = max(1, int(clip.fps))

    def write_controls(self, folder: Path) -> Iterator[tuple[str, str, Path]]:
        """Write the controls and masks that the toolkit writes; yields kind, control and path."""
        for control, settings in self._sample.controls.items():
            path = folder / f"{self._sample.name}_control_{control}{self.suffix}"
            self._write(path, self._control(control), Path(settings["control_path"] or self._sample.video))
            yield "control", control, path
            if settings["mask_prompt"] is not None:  # with a mask's file as well: then that is written once more
                yield "mask", control, self._write_mask(folder, control, settings["mask_path"])
        guide = self._sample.arguments["guided_generation_mask"]
        if guide is not None:
            name = "guided_generation"
            yield "mask", name, self._write_mask(folder, name, None if guide.endswith(".npz") else guide)

    def _write_mask(self, folder: Path, name: str, source: str | None) -> Path:
        """A mask has its own length, and is a picture only where that is one frame; its size is the toolkit's there."""
        frames = self._mask_frames[name]
        path = folder / f"{self._sample.name}_mask_{name}{'.jpg' if frames == 1 else '.mp4'}"
        pictures = media.pictures(Path(source or self._sample.video), *self._size, frames)
        content = pictures if source else (derived(picture, "mask") for picture in pictures)
        self._write(path, content, Path(source or self._sample.video))
        return path

    def write_result(self, path: Path) -> None:
        """Write the output: the input changed, with the controls and the input beside it where asked for."""
        arguments = self._sample.arguments
        key = zlib.crc32(f"{arguments['seed']}\0{self._sample.prompt}".encode())
        columns = []
        if arguments["show_input"]:
            columns.append(self._pictures(self._sample.video))
        if arguments["show_control_condition"]:
            columns += [self._control(control) for control in self._sample.controls]
        result = (changed(picture, key) for picture in self._pictures(self._sample.video))
        content = (beside(list(row)) for row in zip(*columns, result, strict=False)) if columns else result
        self._write(path, content, self._sample.video)

    def _pictures(self, path: Path) -> Iterator[Picture]:
        return media.pictures(path, *self._size, self._frames)

    def _derived(self, control: str) -> Iterator[Picture]:
        return (derived(picture, control) for picture in self._pictures(self._sample.video))

    def _control(self, control: str) -> Iterator[Picture]:
        path = self._sample.controls[control]["control_path"]
        return self._derived(control) if path is None else self._pictures(Path(path))

    def _write(self, path: Path, content: Iterator[Picture], source: Path) -> None:
        if not self._known or load_av() is None:
            media.copy(source, path)
        elif path.suffix == ".jpg":
            media.write_still(path, next(content))
        else:
            media.write_video(path, told(content, self._frames), self._fps)


def told(content: Iterator[Picture], frames: int, every: float = 1.0) -> Iterator[Picture]:
    """The pictures; where they take long, it is said every so many seconds that nothing but encoding goes on."""
    said = time.monotonic()
    for number, picture in enumerate(content, start=1):
        yield picture
        if time.monotonic() - said >= every:
            said = time.monotonic()
            sys.stdout.write(f"@cosmos {json.dumps({'message': f'encoding {number}/{frames}, no model runs'})}\n")
            sys.stdout.flush()
