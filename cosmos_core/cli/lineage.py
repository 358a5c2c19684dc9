"""`show --tree`: the run or prompt in the line of what it was made from and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmos_core.cli.screen import one_line, say

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.store.records import PromptRecord, RunRecord

Node = dict[str, Any]


def tree_document(cosmos: Cosmos, record: PromptRecord | RunRecord) -> list[Node]:
    """The roots that `record` descends from, each with all its descendants. A run with two parents is under both."""
    from cosmos_core.store.records import Filter

    if record.id.startswith("ps_"):
        runs = cosmos.list_runs(Filter(prompt=record.id, limit=1000)).items
        firsts = [run for run in runs if run.retry_of is None]
        return [_node(cosmos, run, None) for run in reversed(firsts)]
    return [_node(cosmos, root, None) for root in _roots(cosmos, record, set())]  # type: ignore[arg-type]


def _before(run: RunRecord) -> list[str]:
    """A retry stands below what it tried again, any other run below those whose outputs it used."""
    return [run.retry_of] if run.retry_of else list(dict.fromkeys(link.parent_id for link in run.parents))


def _roots(cosmos: Cosmos, run: RunRecord, seen: set[str]) -> list[RunRecord]:
    seen.add(run.id)
    parents = [cosmos.get(id_) for id_ in _before(run) if id_ not in seen]
    if not parents:
        return [] if _before(run) else [run]
    found = {root.id: root for parent in parents for root in _roots(cosmos, parent, seen)}  # type: ignore[arg-type]
    return list(found.values())


def _node(cosmos: Cosmos, run: RunRecord, parent: str | None) -> Node:
    how = [f"{link.artifact} as {link.slot}" for link in run.parents if link.parent_id == parent]
    if parent is not None and run.retry_of == parent:
        how.append("retry")
    below = (child for child in cosmos.children(run.id) if run.id in _before(child))
    return {
        "id": run.id,
        "prompt_id": run.prompt_id,
        "model_type": run.model_type,
        "status": run.status,
        "simulated": run.simulated,
        "how": ", ".join(how),
        "children": [_node(cosmos, child, run.id) for child in below],
    }


def print_tree(cosmos: Cosmos, record: PromptRecord | RunRecord) -> None:
    """The same for a reader, with the record itself marked."""
    roots = tree_document(cosmos, record)
    if record.id.startswith("ps_"):
        say(f"{record.id}  {one_line(record.prompt_text)[:60]}  <-")  # type: ignore[union-attr]
        _print_below(roots, "", record.id)
        return
    for root in roots:
        prompt = cosmos.prompt(root["prompt_id"])
        given = [item for item in prompt.inputs if item.run_id is None]
        for item in given:
            say(f"{item.slot}={item.path or item.remote}")
        say(f"{prompt.id}  {one_line(prompt.prompt_text)[:60]}")
        _print_below([root], "", record.id)


def _print_below(nodes: list[Node], indent: str, marked: str) -> None:
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        simulated = " (simulated)" if node["simulated"] else ""
        how = f"  {node['how']}" if node["how"] else ""
        mark = "  <-" if node["id"] == marked else ""
        branch = "└─ " if last else "├─ "
        say(f"{indent}{branch}{node['id']}  {node['model_type']} {node['status']}{simulated}{how}{mark}")
        _print_below(node["children"], indent + ("   " if last else "│  "), marked)
