"""What was corrected in the configuration, for a run whose job never ran."""

from __future__ import annotations

from attrs import evolve

from cosmos_core.config import Config
from cosmos_core.models import Models
from cosmos_core.runs.plan import ExecutionConfig, config_of
from cosmos_core.runs.sites import site_of
from cosmos_core.store.records import UNBEGUN, RunRecord


def corrected(run: RunRecord, config: Config, models: Models) -> ExecutionConfig | None:
    """The run's settings with what its target says by now; None where that changes nothing, or may not.

    Where the job is, is written down for good: only what it needs there may have changed.
    """
    frozen = config_of(run)
    said = config.targets.get(run.target)
    if said is None or said.host != frozen.target.host or run.status not in UNBEGUN or run.cancel_requested_at:
        return None
    target = evolve(said, host=frozen.target.host, work_dir=frozen.target.work_dir)
    toolkit = models[run.model_type].toolkit(run.toolkit)
    now = evolve(frozen, target=target, toolkit=site_of(target, toolkit, config.path))
    return None if now == frozen else now


def kept_settings(run: RunRecord, config: Config) -> str:
    """What to do where the run waits for a place that its target has left since; "" where it has not."""
    frozen, said = config_of(run).target, config.targets.get(run.target)
    if said is None or run.status not in UNBEGUN:
        return ""
    places = {"host": (frozen.host, said.host), "work_dir": (frozen.work_dir, said.work_dir)}
    moved = [f"{key} {old or 'of this machine'}" for key, (old, new) in places.items() if old != new]
    if not moved:
        return ""
    return (
        f"the run keeps the {' and '.join(moved)} it was made with, and {run.target} has another by now: "
        f"`cosmos run --from {run.id}` makes one for it, `cosmos cancel {run.id}` ends this one"
    )
