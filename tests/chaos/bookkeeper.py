"""Stands before the toolkit's programs on the host and writes down, outside of every job's folder, what really ran.

One file for each start, `<repository>/ledger/<job>.<start>.jsonl`: when it began and with which GPUs, each numbered
line that it said on stdout, and how it ended, with the digest of every output. Standard library only: it runs in
containers, too.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

EVERY_S = 0.1


def main() -> int:
    """Run the program that is played, and keep the book meanwhile."""
    program, *words = sys.argv[1:]
    job = Path(os.environ.get("TMPDIR", "/")).parent
    if job.parent.name != "jobs":  # somebody asks for a version, or the like
        os.execv(program, [program, *words])
    book = Path(program).resolve().parents[1] / "ledger" / f"{job.name}.{os.urandom(4).hex()}.jsonl"
    descriptor = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def note(**what: object) -> None:
        os.write(descriptor, (json.dumps({"t": time.time(), **what}) + "\n").encode())

    gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("NVIDIA_VISIBLE_DEVICES") or ""
    note(event="begin", gpus=gpus)
    over = threading.Event()

    def say() -> None:
        number = 0
        while True:
            number += 1
            line = f"ledger line {number}.\n".encode()
            try:
                said = os.write(1, line)
            except OSError:
                said = 0
            note(event="said" if said == len(line) else "cut", number=number)
            if over.wait(EVERY_S):
                return

    child = subprocess.Popen([program, *words])

    def pass_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    teller = threading.Thread(target=say)
    teller.start()
    code = child.wait()
    over.set()
    teller.join()
    outputs = job / "outputs"
    digests = {
        str(path.relative_to(outputs)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(outputs.rglob("*"))
        if path.is_file()
    }
    note(event="end", code=code if code >= 0 else 128 - code, outputs=digests)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
