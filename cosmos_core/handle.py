"""A run that was launched, for who goes on with other things meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.runs.journey import OnChange
    from cosmos_core.store.records import RunRecord


@frozen(kw_only=True)
class Handle:
    """A run that was launched."""

    id: str
    cosmos: Cosmos

    def progress(self) -> RunRecord:
        """The run as it is now, moved on as far as it goes without waiting."""
        return self.cosmos.mover.go_on(self.id, "now")

    def wait(self, on_progress: OnChange | None = None) -> RunRecord:
        """Wait until it ends or pauses."""
        return self.cosmos.follow(self.id, on_progress)

    def cancel(self) -> RunRecord:
        """End it."""
        return self.cosmos.cancel(self.id)

    def logs(self, *, follow: bool = False) -> Iterator[bytes]:
        """Its log."""
        return self.cosmos.logs(self.id, follow=follow)
