"""GPUs of a host, as nvidia-smi tells of them."""

from __future__ import annotations

from attrs import frozen

from cosmos_core.targets.host import Host

_QUERY = "index,name,memory.total,memory.used,utilization.gpu"


@frozen(kw_only=True)
class Gpu:
    """One GPU as it is now, whoever uses it. Memory in MiB, load in percent; None where it is not told."""

    index: int
    name: str
    memory_mib: int | None
    used_mib: int | None
    load: int | None


def count_gpus(host: Host) -> int | None:
    """How many GPUs nvidia-smi lists; None where it is not there or lists none."""
    return len(gpus_of(host)) or None


def gpus_of(host: Host) -> tuple[Gpu, ...]:
    """Every GPU that nvidia-smi lists; none where it is not there or cannot talk to the driver."""
    ask = f"command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu={_QUERY} --format=csv,noheader,nounits"
    done = host.run(("sh", "-c", ask))
    return parse_gpus(done.text) if done.exit_code == 0 else ()


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The lines of that query."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) < 5 or not cells[0].isdecimal():
            continue
        index, *name, total, used, load = cells
        found.append(
            Gpu(
                index=int(index),
                name=", ".join(name),
                memory_mib=_number(total),
                used_mib=_number(used),
                load=_number(load),
            )
        )
    return tuple(found)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None  # [N/A] on MIG devices and some unified memory
