"""`cosmos demo`: the whole way in a few seconds, with nothing but what is installed."""

from __future__ import annotations

import sys

import click

from cosmos_core.cli.base import Command, json_option, opened
from cosmos_core.cli.screen import say

_MODEL = "transfer"
_TEXT = "a neon-lit street on a rainy night, reflections on wet asphalt"


@click.command(
    cls=Command,
    examples="""
cosmos demo
""",
)
@json_option
@click.pass_context
def demo(ctx: click.Context, as_json: bool) -> None:
    """Make a small clip, run transfer on it with the simulator, and show what comes of it.

    No GPU is used: the toolkit's stand-in plays it and marks what it makes as simulated.
    """
    from cosmos_core.cli.attached import DONE, carry_out
    from cosmos_core.demo import make_clip
    from cosmos_core.runs.wish import Wish

    with opened(ctx) as cosmos:
        clip = cosmos.config.home / "demo" / "clip.mp4"
        say(f"a clip to work with: {clip}", sys.stderr)
        make_clip(clip)
        wish = Wish(
            model=_MODEL,
            text=_TEXT,
            name="demo",
            inputs=(("video", str(clip)),),
            parameters={"weights.edge": "1"},
            target=cosmos.config.simulator.name,
        )
        say(f'cosmos run --model {_MODEL} "{_TEXT}" \\\n    --video {clip} --weights.edge 1', sys.stderr)
        run = cosmos.store_run(wish, submit=True)
        code = carry_out(cosmos, [run], detach=False, progress=None, as_json=as_json)
        if code == DONE and not as_json:
            say("\nNow type one of these:")
            nexts = {
                f"cosmos show {run.id}": "its history",
                "cosmos list runs": "all runs, newest first",
                f"cosmos run --from {run.id} --num-steps 20": "again, with fewer steps",
                f"cosmos run --model {_MODEL} --help": "run a video of yours",
            }
            width = max(map(len, nexts))
            for command, what in nexts.items():
                say(f"  {command:{width}}  {what}")
        ctx.exit(code)
