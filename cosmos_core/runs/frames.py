"""Image sequences as inputs: encoded once, kept in the data folder, and known again by their pictures' digests."""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Literal

from attrs import frozen

from cosmos_core.media import Probe
from cosmos_core.sequences import BadSequence, Sequence, fault, find, holds_pictures, some
from cosmos_core.sequences.encoding import RECIPE, OnFrame, encode
from cosmos_core.store import Store
from cosmos_core.store.records import FramesRecord, InputRecord
from cosmos_core.values import Media, Problem

Look = Callable[[Path], tuple[str, Probe]]
"""Digest of a file, and what a look into it showed."""


@frozen(kw_only=True)
class Encoding:
    """How far the work on an image sequence is."""

    pattern: str
    stage: Literal["reading", "checking", "encoding"]  # checking: a dry run, which writes no video
    done: int
    count: int
    fps: float = 0.0  # of the video


OnEncoding = Callable[[Encoding], None]


@frozen(kw_only=True)
class Change:
    """What has happened to the files of a stored input since."""

    kind: Literal["changed", "gone", "lost"]  # lost: only the video is, and it cannot be made again
    words: str  # after the name of the input
    kept: bool = False  # whether what it was is still on this machine


@frozen(kw_only=True)
class Frames:
    """Makes videos of image sequences. Without `encode` (a dry run) pictures are only checked."""

    folder: Path  # of the videos
    look: Look
    store: Store | None
    remember: bool = True  # digests, so that pictures are read once
    encode: bool = True
    on_encoding: OnEncoding | None = None

    def read(self, slot: str, ref: str, rate: Fraction, *, lossless: bool) -> tuple[InputRecord, tuple[Problem, ...]]:
        """The input that a folder or a pattern means, and what to warn of. Raises BadSequence.

        Its video is made unless it is there. Where pictures are only checked, the digest of a new one stays unknown.
        """
        sequence = find(ref)
        try:
            stamp = _stamp(sequence)
            digest = self.digest(sequence)
        except OSError as error:
            message = f"{error.filename} cannot be read: {error.strerror}"
            raise BadSequence.of(message, "check its permissions", "unreadable") from None
        frames = FramesRecord(
            pattern=sequence.path,
            first=sequence.first,
            last=sequence.last,
            rate=str(rate),
            sha256=digest,
            lossless=lossless,
        )
        path = self.folder / f"{_key(frames)}.mp4"
        there = self._whole(path, frames)
        # what is to be warned of is told each time; of pictures that were all seen before, the first will do
        files = sequence.files[:1] if there else sequence.files
        width, height, warnings = self._encode(sequence, files, frames, None if there or not self.encode else path)
        if there is None and _stamp(sequence) != stamp:
            path.unlink(missing_ok=True)
            message = f"the pictures of {ref} changed while they were read"
            raise BadSequence.of(message, "wait until the render is done, then try again", "still_changing")
        sha256, media = there or self._whole(path, frames) or (None, _promised(frames, width, height))
        record = InputRecord(
            slot=slot,
            ref=ref,
            name=sequence.name,
            path=str(path),
            sha256=sha256,
            bytes=path.stat().st_size if sha256 else None,
            media=media,
            frames=frames,
        )
        return record, (*_left_out(sequence), *warnings)

    def begins_badly(self, ref: str, *, lossless: bool) -> bool:
        """Whether the first picture alone, or what the pictures are called, shows that they cannot be used."""
        try:
            encode(find(ref).files[:1], Fraction(1), lossless=lossless, to=None)
        except (BadSequence, OSError):
            return True
        return False

    def changed(self, record: InputRecord) -> Change | None:
        """What has happened to the pictures of a stored sequence; None where they are as they were."""
        then = record.frames
        if then is None:
            return None
        try:
            now = find(then.pattern)
            if (now.first, now.last, self.digest(now)) == (then.first, then.last, then.sha256):
                return None
        except (BadSequence, OSError):
            if are_gone(then):
                return Change(kind="gone", words="is gone", kept=self._is_kept(record))
            return Change(kind="changed", words="has changed since its prompt was stored")
        words = "has changed since its prompt was stored"
        if (now.first, now.last) != (then.first, then.last):
            words += f": then it was {then.first}-{then.last}, now it is {now.first}-{now.last}"
        return Change(kind="changed", words=words)

    def make_again(self, record: InputRecord) -> Change | None:
        """Make the video of a stored sequence again where it was cleared away; why not, where that fails."""
        if record.frames is None or record.path is None or not self.encode or self._is_kept(record):
            return None
        try:
            sequence, path = find(record.frames.pattern), Path(record.path)
            self._encode(sequence, sequence.files, record.frames, path)
        except BadSequence as bad:
            return Change(kind="lost", words=f"cannot be encoded again: {bad}")
        if self.look(path)[0] != record.sha256:
            return Change(kind="lost", words="is encoded otherwise by this version of PyAV")
        return None

    def _is_kept(self, record: InputRecord) -> bool:
        """Whether the video is still what it was."""
        path = Path(record.path or "")
        return path.is_file() and self.look(path)[0] == record.sha256

    def digest(self, sequence: Sequence) -> str:
        """SHA-256 over the digests of the pictures, in order; remembered while no picture's size or time changes."""
        stamp = _stamp(sequence)
        seen = hashlib.sha256(repr(stamp).encode()).digest()  # in the place of the one inode that a file has
        size, newest = sum(size for _, size, _, _ in stamp), max(time for _, _, time, _ in stamp)
        key = (sequence.path, size, newest, int.from_bytes(seen[:8]))
        if self.store and (remembered := self.store.digest(*key)):
            return remembered[0]
        whole = hashlib.sha256()
        tell = self._tell(sequence.path, "reading", len(sequence.files))
        with ThreadPoolExecutor(4) as pool:
            for done, digest in enumerate(pool.map(_sha256, sequence.files), 1):
                whole.update(digest)
                tell(done)
        if self.store and self.remember:
            self.store.remember_digest(*key, sha256=whole.hexdigest(), media=None)
        return whole.hexdigest()

    def _encode(
        self, sequence: Sequence, files: tuple[Path, ...], frames: FramesRecord, to: Path | None
    ) -> tuple[int, int, tuple[Problem, ...]]:
        rate = Fraction(frames.rate)
        tell = self._tell(sequence.path, "encoding" if to else "checking", len(files), float(rate))
        try:
            return encode(files, rate, lossless=frames.lossless, to=to, on_frame=tell)
        except (BadSequence, OSError) as error:
            self._tell(sequence.path, "checking", len(files))(len(files))  # nothing was encoded, and all is looked at
            if isinstance(error, BadSequence):
                raise
            message = f"the video of {sequence.path} cannot be written: {error.strerror}"
            hint = f"make room in {self.folder}, or see whether it can be written to"
            raise BadSequence.of(message, hint, "cannot_encode") from None

    def _whole(self, path: Path, frames: FramesRecord) -> tuple[str, Media] | None:
        """Digest and media of a video that is there with all its frames."""
        if not path.is_file():
            return None
        sha256, looked = self.look(path)
        return (sha256, looked.media) if looked.media.frames == frames.count else None

    def _tell(
        self, pattern: str, stage: Literal["reading", "checking", "encoding"], count: int, fps: float = 0.0
    ) -> OnFrame:
        def tell(done: int) -> None:
            if self.on_encoding is not None and count > 1:
                self.on_encoding(Encoding(pattern=pattern, stage=stage, done=done, count=count, fps=fps))

        return tell


def are_gone(frames: FramesRecord) -> bool:
    """Whether pictures were cleared away and no others stand in their place: their video then does instead of them."""
    return not holds_pictures(Path(frames.pattern).parent)


def _promised(frames: FramesRecord, width: int, height: int) -> Media:
    """What the video will be."""
    rate = float(Fraction(frames.rate))
    return Media(kind="video", width=width, height=height, frames=frames.count, fps=rate, codec="h264")


def _key(frames: FramesRecord) -> str:
    """What decides about the bytes of the video, as a name."""
    told = f"{RECIPE} {frames.sha256} {frames.rate} {frames.lossless}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _stamp(sequence: Sequence) -> list[tuple[str, int, int, int]]:
    """What changes with any of the pictures."""
    stats = [(file.name, file.stat()) for file in sequence.files]
    for file, found in zip(sequence.files, (found for _, found in stats), strict=True):
        if not stat.S_ISREG(found.st_mode):  # a pipe would make us wait for its writer
            raise OSError(errno.EINVAL, "it is no plain file", str(file))
    return [(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in stats]


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _left_out(sequence: Sequence) -> tuple[Problem, ...]:
    if not sequence.left_out:
        return ()
    message = f"not part of {sequence.pattern}, and left out: {some(sequence.left_out)}"
    return (fault(message, "move it away if it does not belong there", "left_out", severity="warning"),)
