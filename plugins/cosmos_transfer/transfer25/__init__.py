"""Cosmos-Transfer2.5, single view: `examples/inference.py` of NVIDIA's repository, version 1.5.

One module a question: what can be asked (`parameters`, `asked`), what is wrong with it (`rules`,
`media_rules`), what is written for it (`spec`), what runs (`command`), what the log tells (`log`), what came
of it (`outputs`, `signatures`), and NVIDIA's own spec files read back (`reading`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cosmos_core import Draft, Toolkit
from cosmos_transfer.transfer25.parameters import INPUTS, NAME, Parameters, Settings

if TYPE_CHECKING:
    from cosmos_transfer.transfer25.command import choose_script
    from cosmos_transfer.transfer25.log import follow_progress
    from cosmos_transfer.transfer25.outputs import parse_outputs
    from cosmos_transfer.transfer25.reading import read_spec
    from cosmos_transfer.transfer25.rules import validate_inputs
    from cosmos_transfer.transfer25.spec import convert_inputs

TOOLKIT = Toolkit(
    name=NAME,
    inputs=INPUTS,
    parameters=Parameters,
    settings=Settings,
    workdir="/workspace",
    image="cosmos-transfer2.5:latest",
    volumes=("/workspace/.venv",),  # mounting the repository would hide the image's own environment
    # since 1.3.1; pyproject.toml names no version any more (read at v1.5.4)
    version_in=("cosmos_transfer2/__about__.py", r'(?m)^__version__\s*=\s*"([^"]+)"'),
    stand_in="cosmos_transfer.standin:transfer25",
    smallest=Draft(
        text="a street on a rainy night",
        inputs=(("video", "video"),),
        parameters={"weights": {"edge": 1.0}, "num_steps": 2, "resolution": "480"},
    ),
)

__all__ = [
    "TOOLKIT",
    "choose_script",
    "convert_inputs",
    "follow_progress",
    "parse_outputs",
    "read_spec",
    "validate_inputs",
]

_LATER = {
    "choose_script": "command",
    "convert_inputs": "spec",
    "follow_progress": "log",
    "parse_outputs": "outputs",
    "read_spec": "reading",
    "validate_inputs": "rules",
}


def __getattr__(name: str) -> Any:
    """Each hook is loaded when it is first called: help, Tab and `cosmos models` need none."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value
