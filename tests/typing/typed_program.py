"""A user's program, checked by mypy with all the rest (`modules` in pyproject.toml) and never run.

A line with `type: ignore` is one that mypy has to refuse: strict mode complains of those that are not needed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cosmos_core import Config, Cosmos, Filter, Handle, Page, PromptRecord, Refused, RunRecord, Wish


def program(cosmos: Cosmos) -> str:
    prompt = cosmos.create_prompt(
        "transfer", "rain", inputs={"video": ["a.mp4"]}, parameters={"seed": 7}, tags=["rain"]
    )
    run = cosmos.run(prompt, target="h100", gpus=2, on_progress=lambda run: print(run.status))
    handle: Handle = cosmos.submit(prompt.id, timeout_s=60)
    handles: tuple[Handle, ...] = cosmos.submit([prompt, "ps_abc"], target="h100")
    ended: tuple[RunRecord, ...] = cosmos.wait(handles)
    last: RunRecord = cosmos.wait(handle)
    prompts: tuple[PromptRecord, ...] = cosmos.create_prompts("transfer", ["rain", "fog"], toolkit="cosmos-transfer2.5")
    cosmos.create_runs(prompts, if_busy="fail")
    failed: Page[RunRecord] = cosmos.list_runs(status="failed", since=datetime(2026, 11, 24, tzinfo=UTC))
    for one in failed:
        if one.status == "completed":
            print(one.outputs.files["video"], one.to_dict()["id"])
    cosmos.list_prompts(Filter(model="transfer"))
    cosmos.store_run(Wish(source=run.id))
    try:
        cosmos.create_run(last, fetch="none")
    except Refused as refused:
        return str(refused)
    return f"{len(ended)} {Config.load().path}"


def mistakes(cosmos: Cosmos, run: RunRecord) -> None:
    cosmos.create_prompt("transfer", 5)  # type: ignore[arg-type]
    cosmos.create_prompt("transfer", "rain", taget="h100")  # type: ignore[call-arg]
    cosmos.create_run("ps_abc", gpus="two")  # type: ignore[arg-type]
    cosmos.run("ps_abc", if_busy="never")  # type: ignore[arg-type]
    cosmos.list_runs(status="failde")  # type: ignore[arg-type]
    cosmos.wait(5)  # type: ignore[call-overload]
    if run.status == "done":  # type: ignore[comparison-overlap]
        return
