"""What Tab offers, by the protocol that the shells speak."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from terminal import Terminal


def offered(shell, *words):
    """The completions of the last of `words`, as zsh and fish are told them; files are left to the shell."""
    told = shell(_COSMOS_COMPLETE="fish_complete", COMP_LINE=" ".join(("cosmos", *words)))
    assert (told.code, told.err) == (0, "")
    lines = [line.split("\x1f") for line in told.out.splitlines() if line]
    return {before + value for kind, before, value, _ in lines if kind in ("plain", "open")}


def test_a_script_of_an_earlier_release_is_still_answered(cosmos):
    told = cosmos(_COSMOS_COMPLETE="fish_complete", COMP_WORDS="cosmos comple", COMP_CWORD="comple")

    assert (told.code, told.err, told.out.split("\t")[0]) == (0, "", "plain,completion")


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
    cosmos.forget()
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


def test_outputs_of_a_run_are_offered_behind_its_id(used):
    run = used.json("show", "@last")["id"]
    names = {f"@last:{artifact['name']}" for artifact in used.json("show", run)["outputs"]["artifacts"]}

    assert "@last:video" in names
    for line in (("path",), ("open",), ("run", "--model", "transfer", "--video")):
        assert offered(used, *line, "@last:") == names
    assert offered(used, "path", f"{run}:vi") == {f"{run}:video"}
    assert offered(used, "path", "first:vi") == {"first:video"}
    assert offered(used, "run", "--model", "transfer", f"--video={run}:vi") == {f"--video={run}:video"}
    assert offered(used, "path", "@last~7:") == set()
    assert in_bash(used, "cosmos path @last:vi") == ["plain,0,video"]  # what follows the colon


def test_groups_are_offered_where_one_may_stand(used):
    group = "gr_8d3h5n7p"
    with closing(sqlite3.connect(used.home / "cosmos.db")) as database, database:
        run, at = database.execute("SELECT id, created_at FROM runs").fetchone()
        database.execute("INSERT OR IGNORE INTO groups VALUES (?, '', ?)", (group, at))
        database.execute("UPDATE runs SET group_id = ? WHERE id = ?", (group, run))

    assert offered(used, "list", "runs", "--group", "") == {group}
    for verb in ("wait", "cancel", "fetch", "attach", "retry", "inference"):
        assert offered(used, verb, "g") == {group}
    assert group not in offered(used, "wait", "")
    assert offered(used, "logs", "g") == set()


def test_a_name_of_a_family_is_left_to_be_typed(cosmos):
    model = ("run", "--model", "transfer")

    assert "mask." in offered(cosmos, *model, "--input", "ma")
    assert "--mask." in offered(cosmos, *model, "--mas")
    assert offered(cosmos, *model, "--input", "mask.car=stre") == {"mask.car=street.mp4"}
    assert in_bash(cosmos, "cosmos run --model transfer --mask.car=str") == ["file,0,str"]
    assert {"video=", "mask."} <= offered(cosmos, *model, "--input-fps", "")


def test_files_are_offered_behind_the_at_of_a_text_or_a_value(cosmos):
    (cosmos.cwd / "words.txt").write_text("rain")

    assert offered(cosmos, "run", "@wo") == {"@words.txt"}
    assert offered(cosmos, "run", "@@wo") == set()
    for line in (("--negative-prompt",), ("--set",)):
        stem = "negative_prompt=" * (line == ("--set",))
        assert offered(cosmos, "run", "--model", "transfer", *line, f"{stem}@wo") == {f"{stem}@words.txt"}


def test_a_word_may_end_with_a_quoted_blank(cosmos):
    (cosmos.cwd / "a b").mkdir()

    for begun in ("a\\ ", "'a ", '"a '):
        assert in_bash(cosmos, f"cosmos run --model transfer --video {begun}") == ["file,0,a "]


START = {
    "bash": (["bash", "--noprofile", "--rcfile", "rc", "-i"], "PS1='ready> '\nbind 'set bell-style none'\n"),
    "zsh": (["zsh", "-i"], "PS1='ready> '\nunsetopt beep\n"),
    "fish": (["fish", "-i"], "function fish_prompt; echo 'ready> '; end\nfunction fish_greeting; end\n"),
}
RC = {"bash": "rc", "zsh": ".zshrc", "fish": "fish/config.fish"}


@pytest.mark.parametrize("name", START)
def test_tab_in_a_real_shell(cosmos, name):
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    argv, prompt = START[name]
    folder = cosmos.cwd / "bin"
    folder.mkdir()
    (folder / "cosmos").write_text(f'#!/bin/sh\nexec {sys.executable} -m cosmos_core "$@"\n')
    (folder / "cosmos").chmod(0o700)
    (cosmos.cwd / "a b.mp4").touch()
    (cosmos.cwd / "dir").mkdir()
    rc = cosmos.cwd / RC[name]
    rc.parent.mkdir(exist_ok=True)
    rc.write_text(prompt + cosmos("completion", name).out)
    env = {
        **cosmos.environ, "HISTFILE": os.devnull, "PATH": f"{folder}:{os.environ['PATH']}",
        "ZDOTDIR": str(cosmos.cwd), "XDG_CONFIG_HOME": str(cosmos.cwd), "XDG_DATA_HOME": str(cosmos.cwd),
    }  # fmt: skip
    with Terminal(argv, env=env, cwd=cosmos.cwd, columns=120) as shell:
        shell.until("ready> ")
        for typed, completed in (
            ("--video stre\t", "--video street.mp4"),
            ("--video=a\t", r"--video=a\ b.mp4"),
            ("--input video=stre\t", "--input video=street.mp4"),
            ("--set resolu\t48\t", "--set resolution=480"),
            ("--out d\t", "--out dir/"),
        ):
            shell.press(f"\x15cosmos run --model transfer {typed}")
            shell.until(completed)
