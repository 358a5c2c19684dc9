"""Image sequences: numbered pictures that become a video.

`finding` says which files a folder or a pattern means, `rates` reads frame rates, `encoding` makes the video.
"""

from __future__ import annotations

from cosmos_core.sequences.finding import (
    BadSequence,
    NoSequence,
    Sequence,
    fault,
    find,
    holds_pictures,
    is_pattern,
    some,
)
from cosmos_core.sequences.rates import rate_of, rate_words

__all__ = [
    "BadSequence",
    "NoSequence",
    "Sequence",
    "fault",
    "find",
    "holds_pictures",
    "is_pattern",
    "rate_of",
    "rate_words",
    "some",
]
