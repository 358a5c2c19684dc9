#!/bin/sh
# As NVIDIA's images do: greet, look whether all is there, and become the command.
cat <<'BANNER'

=============================
== Cosmos-Transfer2.5 (played) ==
=============================

Container image Copyright (c) nobody. It holds no code: mount the repository at /workspace.

BANNER
if [ ! -f /workspace/.venv/pyvenv.cfg ]; then
    echo "entrypoint: /workspace/.venv is hidden by a mount; add: -v /workspace/.venv" >&2
    exit 1
fi
exec "$@"
