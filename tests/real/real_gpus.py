"""GPUs that are played: a stand-in `nvidia-smi` first on PATH, and a file that says what it sees."""

from __future__ import annotations

import json
import os
from pathlib import Path

from attrs import define, field, frozen
from real_session import Missing, Session, open_folder

SMI = Path(__file__).parent / "stubs" / "nvidia-smi"
PLAYS = "NVIDIA_SMI_PLAYS"
NAME = "NVIDIA H100 80GB HBM3"
MEMORY_MIB = 81559
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@frozen
class Stubs:
    """Where the stand-in programs are, and the GPUs that they see."""

    folder: Path
    gpus: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a login on the played host is given."""
        return {"PATH": f"{self.folder}:{SYSTEM_PATH}", PLAYS: str(self.gpus)}

    @classmethod
    def of(cls, session: Session) -> Stubs:
        """Those of this session: four idle GPUs, which nobody changes."""

        def install() -> dict[str, str]:
            folder = session.folder / "bin"
            open_folder(folder)
            smi = folder / SMI.name
            smi.write_text(f"#!{everybodys_python()} -IS\n{SMI.read_text(encoding='utf-8')}", encoding="utf-8")
            smi.chmod(0o755)
            Gpus(session.folder / "gpus.json").write()
            return {}

        session.once("stubs", install)
        return cls(session.folder / "bin", session.folder / "gpus.json")


def everybodys_python() -> str:
    """A python3 that every account can run: the one that runs the tests may lie in somebody's home."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        if os.access(f"{folder}/python3", os.X_OK):
            return f"{folder}/python3"
    raise Missing("no python3 in /usr/bin or /usr/local/bin: apt-get install python3")


@define
class Gpu:
    """One GPU, in nvidia-smi's words; None is what it cannot tell ([N/A])."""

    index: int
    uuid: str
    name: str = NAME
    memory_total: int = MEMORY_MIB
    memory_used: int = 4
    utilization: int | None = 0
    processes: list[dict[str, int | str]] = field(factory=list)


def _four() -> list[Gpu]:
    return [Gpu(index, f"GPU-{index:08x}-5f0a-4c6e-9b1d-c05305000000") for index in range(4)]


@define
class Gpus:
    """What `nvidia-smi` sees. Every change is in the file at once, whole."""

    file: Path
    gpus: list[Gpu] = field(factory=_four)
    driver: str | None = "570.172.08"

    def occupy(self, index: int, pid: int, memory_mib: int, *, name: str = "python", utilization: int = 97) -> None:
        """A process computes on a GPU; its owner is whoever runs `pid`."""
        gpu = self.gpus[index]
        gpu.processes.append({"pid": pid, "name": name, "memory": memory_mib})
        gpu.memory_used += memory_mib
        gpu.utilization = utilization
        self.write()

    def vacate(self, index: int) -> None:
        """Nothing runs on a GPU any more."""
        gpu = self.gpus[index]
        self.gpus[index] = Gpu(gpu.index, gpu.uuid, gpu.name, gpu.memory_total)
        self.write()

    def lose_driver(self) -> None:
        """nvidia-smi cannot talk to the driver, as after an update without a restart."""
        self.driver = None
        self.write()

    def write(self) -> None:
        """Put the state into the file."""
        gpus = [
            {
                "index": gpu.index,
                "uuid": gpu.uuid,
                "name": gpu.name,
                "memory_total": gpu.memory_total,
                "memory_used": gpu.memory_used,
                "utilization": gpu.utilization,
                "processes": gpu.processes,
            }
            for gpu in self.gpus
        ]
        partial = self.file.with_suffix(".part")
        partial.write_text(json.dumps({"driver": self.driver, "gpus": gpus}), encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(self.file)
