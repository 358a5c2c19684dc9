"""What Tab offers, by the protocol that the shells speak."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from terminal import Terminal


def offered(shell, *words):
    """The completions of the last of `words`, as fish is told them."""
    told = shell(_COSMOS_COMPLETE="fish_complete", COMP_WORDS=" ".join(("cosmos", *words)), COMP_CWORD=words[-1])
    assert (told.code, told.err) == (0, "")
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


def in_bash(shell, line, **env):
    """What the bash script is told of `line`, at a Tab that lists."""
    told = shell(
        _COSMOS_COMPLETE="bash_complete", COMP_LINE=line, **{"COMP_TYPE": "63", "COMP_WORDBREAKS": " \t\n=:", **env}
    )
    assert (told.code, told.err) == (0, "")
    return told.out.split("\n")[:-1] if told.out.strip() else []


@pytest.mark.parametrize("option", ["--video", "--depth", "--spec", "-o", "--config", "--mask.car"])
def test_files_and_folders_are_offered_where_one_is_wanted(cosmos, option):
    assert in_bash(cosmos, f"cosmos run --model transfer {option} str") == ["file,0,str"]


def test_files_are_offered_for_out_and_behind_equals(cosmos):
    (cosmos.cwd / "street frames").mkdir()

    assert in_bash(cosmos, "cosmos run --model transfer --out str") == ["dir,0,str"]
    assert in_bash(cosmos, "cosmos run --model transfer --video=str") == ["file,0,str"]
    # bash breaks the word at = and gets what follows; a folder leaves the word open
    assert in_bash(cosmos, "cosmos run --model transfer --input video=str") == [
        "open,0,street\\ frames/",
        "plain,0,street.mp4",
    ]
    assert offered(cosmos, "run", "--model", "transfer", "--input", "video=street.") == {"video=street.mp4"}


def test_an_input_may_be_an_output_of_a_run(used):
    run = used.json("show", "@last")["id"]

    assert in_bash(used, "cosmos run --model transfer --video @") == ["plain,0,@last"]
    assert in_bash(used, "cosmos run --model transfer --video rs_") == [f"plain,0,{run}"]
    assert in_bash(used, "cosmos run --model transfer --input video=@") == ["plain,0,@last"]


def test_values_columns_tags_states_toolkits_and_common_words_are_offered(used):
    model = ("run", "--model", "transfer")

    assert {"480", "720"} <= offered(used, *model, "--resolution", "")
    assert {"resolution=480", "resolution=720"} <= offered(used, *model, "--set", "resolution=")
    assert in_bash(used, "cosmos list runs --columns id,sta") == ["plain,0,id,status", "plain,0,id,started"]
    assert in_bash(used, "cosmos list prompts --columns st") == []
    assert offered(used, "list", "runs", "--tag", "w") == {"wet"}
    assert offered(used, *model, "--tag", "w") == {"wet"}
    assert offered(used, "list", "runs", "--status", "fa") == {"failed"}
    assert offered(used, *model, "--toolkit", "") == {"cosmos-transfer2.5"}
    assert {"ls", "ps", "help", "version"} <= offered(used, "")


def test_bash_is_told_what_an_id_is_when_several_match(used):
    run = used.json("show", "@last")["id"]

    assert f"plain,0,{run}  (first)" in in_bash(used, "cosmos attach ")
    assert f"plain,0,{run}" in in_bash(used, "cosmos attach ", COMP_TYPE="37")  # put into the line one after another
    assert in_bash(used, "cosmos attach rs_") == [f"plain,0,{run}"]
    assert in_bash(used, "cosmos attach fi") == ["plain,0,first"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_tab_in_a_real_bash(cosmos):
    (cosmos.cwd / "a b.mp4").touch()
    (cosmos.cwd / "rc").write_text(
        f"PS1='ready> '\nbind 'set bell-style none'\ncosmos() {{ {sys.executable} -m cosmos_core \"$@\"; }}\n"
        + cosmos("completion", "bash").out
    )
    env = {**cosmos.environ, "HISTFILE": os.devnull}
    with Terminal(["bash", "--noprofile", "--rcfile", "rc", "-i"], env=env, cwd=cosmos.cwd, columns=120) as bash:
        bash.until("ready> ")
        bash.press("cosmos run --model transfer --video stre\t")
        bash.until("--video street.mp4")
        bash.press("\x15cosmos run --model transfer --video=a\t")
        bash.until(r"--video=a\ b.mp4")
        bash.press("\x15cosmos run --model transfer --input video=stre\t")
        bash.until("--input video=street.mp4")
        bash.press("\x15cosmos run --model transfer --set resolu\t48\t")
        bash.until("--set resolution=480")
