"""What Tab offers, by the protocol that the shells speak."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def offered(shell, *words):
    """The completions of the last of `words`, as fish is told them."""
    told = shell(_COSMOS_COMPLETE="fish_complete", COMP_WORDS=" ".join(("cosmos", *words)), COMP_CWORD=words[-1])
    assert told.code in (0, 1)  # 1 is how the protocol says that it has answered
    assert "Traceback" not in told.err
    return {line.split(",", 1)[1].split("\t")[0] for line in told.out.splitlines() if "," in line}


def test_ids_models_targets_and_parameters_are_offered(used):
    run = used.json("show", "@last")

    assert {run["id"], "@last"} <= offered(used, "attach", "")
    assert offered(used, "show", "ps_") == {run["prompt_id"]}
    assert "transfer" in offered(used, "run", "--model", "")
    assert offered(used, "run", "--target", "sim") == {"simulator"}
    assert offered(used, "run", "--model", "transfer", "--set", "num_s") == {"num_steps="}
    assert "video=" in offered(used, "run", "--model", "transfer", "--input", "")
    assert "--weights.edge" in offered(used, "run", "--model", "transfer", "--weights")
    assert "list" in offered(used, "li")


def test_nothing_stored_offers_nothing_and_complains_about_nothing(cosmos):
    assert not {word for word in offered(cosmos, "attach", "") if word.startswith("rs_")}
    assert not cosmos.home.exists()
    (cosmos.cwd / "cosmos.toml").write_text("broken = [")
    assert offered(cosmos, "attach", "rs_") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_the_shell_understands(cosmos, shell):
    told = cosmos("completion", shell)

    assert "_COSMOS_COMPLETE" in told.out
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=told.out, text=True, capture_output=True, check=False)
        assert check.returncode == 0, check.stderr
