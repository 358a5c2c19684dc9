"""The entry point of the `transfer` model."""

from __future__ import annotations

from cosmos_core import by_toolkit
from cosmos_transfer import transfer25

transfer = by_toolkit("Restyle a video, held by control videos (Cosmos-Transfer)", transfer25)
