"""The Docker image, made here: shaped like NVIDIA's, with an environment in it and no code."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
from pathlib import Path

from real_session import CACHE, call, locked, program

NAME = "cosmos-transfer2.5:latest"
ENTRYPOINT = "/opt/nvidia/nvidia_entrypoint.sh"
CHANGES = (
    # NVIDIA's bases set the two; Docker puts the devices that were asked for behind
    "ENV NVIDIA_VISIBLE_DEVICES=all",
    "ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    "ENV PATH=/workspace/bin:/workspace/.venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "WORKDIR /workspace",
    f'ENTRYPOINT ["{ENTRYPOINT}"]',
    'CMD ["/bin/bash"]',
)
_PACKAGES = ("bash", "coreutils", "dash", "findutils", "grep", "python3", "sed", "util-linux")
_LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/zoneinfo/*",
    "/usr/share/perl*",
    "/usr/lib/*/perl*",
    "/usr/lib/*/libperl*",
    "/usr/bin/perl*",
)
_ENTRYPOINT_SCRIPT = (Path(__file__).parent / "stubs" / "entrypoint.sh").read_bytes()


def rootfs() -> Path:
    """The image's files as one tar; made once for a machine and a recipe, which takes about ten seconds."""
    suite = _suite()
    recipe = repr((suite, platform.machine(), _PACKAGES, _LEFT_OUT, _ENTRYPOINT_SCRIPT, _added()))
    file = CACHE / f"image-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "image.lock"):
        if not file.exists():
            for old in CACHE.glob("image-*"):
                old.unlink()
            partial = file.with_suffix(".part.tar")
            call(
                program("mmdebstrap", "mmdebstrap"),
                "--quiet",
                "--variant=extract",
                f"--include={','.join(_PACKAGES)}",
                '--aptopt=Acquire::Languages "none"',
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
                suite,
                partial,
            )
            with tarfile.open(partial, "a") as archive:
                for name, content, mode in _added():
                    _add(archive, name, content, mode)
            partial.replace(file)
    return file


def _suite() -> str:
    """This machine's own release: its keys are here, and its mirror is known to work."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    named = dict(line.partition("=")[::2] for line in lines)
    return named.get("VERSION_CODENAME", "bookworm").strip('"')


def _added() -> tuple[tuple[str, bytes | str | None, int], ...]:
    """What is put over the packages: (path, content, mode); text is where a link points, None makes a folder."""
    return (
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n", 0o644),
        ("etc/group", b"root:x:0:\n", 0o644),
        (ENTRYPOINT[1:], _ENTRYPOINT_SCRIPT, 0o755),
        ("workspace", None, 0o755),
        ("workspace/.venv", None, 0o755),
        ("workspace/.venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n", 0o644),
        ("workspace/.venv/bin", None, 0o755),
        ("workspace/.venv/bin/python3", "/usr/bin/python3", 0o777),
    )


def _add(archive: tarfile.TarFile, name: str, content: bytes | str | None, mode: int) -> None:
    entry = tarfile.TarInfo(f"./{name}")
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
    elif isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
    else:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
        return
    archive.addfile(entry)
