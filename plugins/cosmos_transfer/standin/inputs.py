"""One sample's files as tensors: how long each is, what size it has, and where the toolkit fails on them.

Errors that were seen by running the toolkit's code on a CPU are marked [run], those read in it [read].
"""

from __future__ import annotations

from pathlib import Path

from . import reader
from .orders import Orders
from .reader import Clip
from .spec import FIELDS, Sample

LONGEST = 5000  # frames of a file that are taken where max_frames does not say otherwise
CHUNK = 93
LATENT_FRAMES = 24
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_RATIOS = (16 / 9, 4 / 3, 1.0, 3 / 4, 9 / 16)
# width and height of wide, 4:3 and square pictures; upright ones have them the other way round
_SIZES = {
    "256": ((320, 192), (320, 256), (256, 256)),
    "480": ((768, 432), (640, 480), (480, 480)),
    "480p": ((832, 480), (640, 480), (640, 640)),
    "512": ((640, 384), (640, 512), (512, 512)),
    "720": ((1280, 704), (960, 704), (960, 960)),
    "720p": ((1280, 720), (960, 720), (960, 960)),
    "720robocasa": ((1280, 720), (960, 720), (720, 720)),
    "1024": ((1280, 768), (1280, 1024), (1024, 1024)),
    "1080": ((1920, 1056), (1440, 1056), (1024, 1024)),
}
# as reported of the toolkit (cosmos-transfer2.5#161): without end; the number is an address
_NO_AV1 = (
    "[av1 @ 0x5931e3904180] Your platform doesn't suppport hardware accelerated AV1 decoding.",
    "[av1 @ 0x5931e3904180] Failed to get pixel format.",
    "[av1 @ 0x5931e3904180] Missing Sequence Header.",
)


def _near(one: float, other: float) -> bool:
    return abs(one / other - 1) < 0.02


class Tensor:
    """A file in the network's terms: frames, width, height. An unknown video has 0 of each."""

    def __init__(self, frames: int, size: tuple[int, int]) -> None:
        self.frames = frames
        self.size = size


class Inputs:
    """What is loaded for one sample, in the toolkit's order; every method raises what the toolkit would."""

    def __init__(self, sample: Sample, orders: Orders, *, gpus: int, distilled: bool) -> None:
        arguments = sample.arguments
        self._sample = sample
        self._orders = orders
        self._gpus = gpus
        self._distilled = distilled
        self._limit: int | None = arguments["max_frames"]
        self._chunk: int = arguments["num_video_frames_per_chunk"]
        self._stride = self._chunk - arguments["num_conditional_frames"]
        self._resolution: str = arguments["resolution"]
        self._guide: Tensor | None = None
        self._controls: list[Tensor] = []
        self._masks: list[Tensor] = []
        self.mask_frames: dict[str, int] = {}  # of the masks that are written: as long as they came, not as the video
        self.unsaid: list[str] = []  # what the toolkit does to the media without a word
        if distilled:
            self._say_what_distilled_drops()
        if arguments["sigma_max"] is not None:
            float(arguments["sigma_max"])  # ValueError, where it is none

    def _say_what_distilled_drops(self) -> None:
        for key in ("guidance", "negative_prompt", "guided_generation_mask"):  # [read]
            if self._sample.arguments[key] != FIELDS[key][1]:
                self.unsaid.append(f"the distilled model takes no {key}")

    @property
    def out_frames(self) -> int:
        """Frames of the result."""
        return 1 if self._chunk == 1 else self.video.frames

    def read_video(self) -> None:
        """The input video or picture."""
        path = self._sample.video
        if path.suffix not in (*_VIDEOS, *reader.STILLS):
            raise ValueError(f"Invalid video extension: {path.suffix}")
        self.clip = self._read(path, self._limit or LONGEST)
        self.video = self._tensor(self.clip, self._limit or LONGEST)
        if not _near(self.clip.fps, self.clip.average):
            words = f"{path.name} has {self.clip.average:.3f} frames a second and is taken for {self.clip.fps:.3f}"
            self.unsaid.append(words)
        if not self.clip.known:
            self.video = Tensor(min(self._limit or CHUNK, CHUNK), self._size(16, 9))

    def read_guide(self) -> None:
        """The mask of guided generation; it is stretched to the video, whatever its shape."""
        name = self._sample.arguments["guided_generation_mask"]
        if name is None:
            return
        path = Path(name)
        if name.endswith(".mp4"):
            limit = self._limit or LONGEST
            self._guide = self._tensor(self._read(path, limit), limit)
        elif name.endswith(".npz"):
            labels = self._sample.arguments["guided_generation_foreground_labels"]
            frames, switches = reader.read_labels(path, labels)
            if switches:
                self.unsaid.append(f"{path.name} holds true and false, read as 1/255 and 0: it guides next to nothing")
            self._guide = Tensor(min(frames, self._limit or frames), self.video.size)
        else:
            raise ValueError(f"Unknown video mask format: {name} not a mp4 or npz file")

    def read_context(self) -> None:
        """The picture of the wished style: a frame of the whole video, max_frames or not, or the first of a file."""
        arguments = self._sample.arguments
        index = arguments["context_frame_index"]
        name = arguments["image_context_path"] if index is None else str(self._sample.video)
        if name is None:
            return
        suffix = Path(name).suffix.lower()
        if suffix not in (*_VIDEOS, *reader.STILLS):
            supported = [*reader.STILLS, *_VIDEOS]
            raise ValueError(f"Invalid image context extension: {suffix}. Supported: {supported}")
        clip = reader.read(Path(name))
        if clip.known and (index or 0) >= clip.frames:
            raise IndexError(f"index {index} is out of bounds for dimension 2 with size {clip.frames}")
        if clip.channels != 3:
            # two channels reach the image encoder; how it says so is not known
            raise RuntimeError(f"expected input to have 3 channels, but got {clip.channels} channels instead")

    def read_controls(self) -> None:
        """Controls and their masks, from files or computed; edge and vis are computed chunk by chunk."""
        for control, settings in self._sample.controls.items():
            if settings["control_path"] is not None:
                self._controls.append(self._beside(Path(settings["control_path"])))
            elif control == "seg":
                self._controls.append(self._segmented())
            elif control == "depth":
                self._controls.append(self._tensor(self.clip, self.clip.frames))
            if settings["mask_path"] is not None:
                self._masks.append(self._beside(Path(settings["mask_path"])))
            elif settings["mask_prompt"] is not None:
                self._masks.append(self._segmented())
            if settings["mask_prompt"] is not None:
                self.mask_frames[control] = self._masks[-1].frames or self.video.frames

    def _read(self, path: Path, limit: int = LONGEST) -> Clip:
        clip = reader.read(path)
        wanted = min(clip.frames, limit)
        if clip.decoded < wanted:
            words = f"{path.name} says {clip.frames} frames and shows {clip.decoded}"
            self.unsaid.append(f"{words}: the rest is whatever lay in memory (black here)")
        return clip

    def _beside(self, path: Path) -> Tensor:
        clip, video = self._read(path), self.clip
        tensor = self._tensor(clip, LONGEST)
        if clip.known and video.known and self.out_frames > 1 and not _near(clip.fps, video.fps):
            self.unsaid.append(f"{path.name} goes with the video frame by frame, at another rate: {clip.fps:.3f}")
        if clip.known and video.known and not _near(clip.width / clip.height, video.width / video.height):
            self.unsaid.append(f"{path.name} is stretched to the video's shape")
        return tensor

    def _segmented(self) -> Tensor:
        # the video once more, by OpenCV; 4.11 does not turn what was filmed upright, others do (opencv#26795)
        if self.clip.codec == "av1":
            # OpenCV's own ffmpeg has no decoder for it; the reporter saw these lines for ever and a GPU that is held
            self._orders.hold(*_NO_AV1)
        return Tensor(min(self.clip.decoded, LONGEST), self.video.size)

    def _tensor(self, clip: Clip, limit: int) -> Tensor:
        if not clip.known:
            return Tensor(0, (0, 0))
        width, height = self._size(clip.width, clip.height)
        if clip.channels != 3:
            shapes = f"({height},{width},{clip.channels}) into shape ({height},{width},3)"
            raise ValueError(f"could not broadcast input array from shape {shapes}")
        return Tensor(min(clip.frames, limit), (width, height))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        near = min(range(5), key=lambda index: abs(_RATIOS[index] - width / height))
        wide, high = _SIZES[self._resolution][min(near, 4 - near)]
        return (wide, high) if near <= 2 else (high, wide)

    def count_chunks(self) -> int:
        """Pad what is shorter than a chunk, and say how many chunks there are."""
        frames, chunk = self.video.frames, self._chunk
        others = [tensor.frames for tensor in (self._guide, *self._controls, *self._masks) if tensor and tensor.frames]
        if self.clip.known and min(others, default=frames) < self.out_frames:
            words = f"a control or mask of {min(others)} frames is mirrored in time"
            self.unsaid.append(f"{words} to last for {self.out_frames}")
        older = self._orders.version < (1, 5, 2)
        if frames < chunk:
            self._mirror(frames)
            if self._guide is not None:
                self._mirror(self._guide.frames)
        if self._guide is not None:
            self.mask_frames["guided_generation"] = max(self._guide.frames, chunk if frames < chunk else 1)
        if chunk == 1 or (frames <= chunk and not older):
            return 1
        chunks: int = 1 - (chunk - frames) // self._stride
        if chunks < 1:
            raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")  # the count [run], the end [read]
        return chunks

    def _mirror(self, frames: int) -> None:
        # the frames there are, backwards and forwards again; of one alone nothing can be mirrored, which was tried
        # for ever until 1.5.2 repeated it. Of none it still is [run]
        if frames < 1 or (frames == 1 and self._orders.version < (1, 5, 2)):
            self._orders.hold()

    def start_chunk(self, index: int) -> None:
        """All that is done before a chunk's first step."""
        start = index * self._stride if self._chunk > 1 else 0
        self._pad(self.video, start)
        arguments = self._sample.arguments
        if arguments["sigma_max"] is not None and index == 0:
            self._add_noise(arguments["seed"])
        for tensor in (self._guide, *self._controls, *self._masks):
            if tensor is not None:
                self._pad(tensor, start)
        if self._chunk not in (1, CHUNK):
            # [run]
            raise AssertionError("Input control_input length doesn't match expected length specified by state_t.")
        if self._gpus > 1:
            latents = (self._chunk - 1) // 4 + 1
            latents // (latents // LATENT_FRAMES)  # of a single frame no views can be counted: ZeroDivisionError [run]
            self._split()

    def _pad(self, tensor: Tensor, start: int) -> None:
        if not (self.clip.known and tensor.size[0]):
            return
        end = min(start + self._chunk, max(self.video.frames, self._chunk))
        frames = max(0, min(end, tensor.frames) - start)
        if tensor is self._guide and self.video.frames < self._chunk:
            frames = self._chunk  # was padded before
        if frames == 0:
            raise ValueError("No input frames; cannot pad. Verify that video frame counts match.")
        if frames < self._chunk:
            self._mirror(frames)

    def _add_noise(self, seed: int) -> None:
        if self._distilled:
            raise AttributeError("'DMD2Model' object has no attribute 'get_x_from_clean'")  # [read]
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError("Overflow when unpacking long")  # the range is torch's, its words are not known for sure

    def _split(self) -> None:
        # over latent frames, then over height; what is left over would have to be split by width
        rest = self._gpus
        for length in (LATENT_FRAMES, self.video.size[1] // 16):
            for share in range(rest, 0, -1):
                if rest % share == 0 and length % share == 0:
                    rest //= share
                    break
        if rest != 1:
            raise ValueError("Split by width dimension is not currently supported due to quality issues.")

    def first_step(self) -> None:
        """The network adds control to video: both must have one size."""
        # [run], but for which of its sides the network names
        for tensor in self._controls:
            self._fit(tuple(side // 16 for side in self.video.size), tuple(side // 16 for side in tensor.size), 3)

    def end_chunk(self) -> None:
        """Masks are laid over controls once the chunk is sampled [run]."""
        for tensor in self._masks:
            self._fit(self.video.size, tensor.size, 4)

    def _fit(self, mine: tuple[int, ...], other: tuple[int, ...], dimension: int) -> None:
        if not (self.clip.known and any(other)):
            return
        for one, two, place in zip(mine, other, (dimension, dimension - 1), strict=True):
            if one != two:
                words = f"The size of tensor a ({one}) must match the size of tensor b ({two})"
                raise RuntimeError(f"{words} at non-singleton dimension {place}")
