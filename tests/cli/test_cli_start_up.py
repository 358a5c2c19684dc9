"""Start-up is a feature: what is imported for it, what it shows, and that every command teaches."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

HEAVY = {
    "sqlalchemy", "alembic", "paramiko", "av", "cattrs", "attrs", "attr", "pluggy", "rich", "platformdirs",
    "cosmos_transfer", "importlib.metadata", "email", "logging",
}  # fmt: skip
RULES = ("rules", "media_rules", "spec", "command", "log", "outputs", "reading")
COMMANDS = (
    "run", "create prompt", "create run", "inference", "list", "show", "logs", "attach", "wait", "cancel", "retry",
    "sync", "fetch", "path", "open", "status", "models", "plugins", "targets", "config", "demo", "completion",
)  # fmt: skip


def imported(shell, *args, **env):
    """All modules that a command imports."""
    code = (
        "import json, sys; from cosmos_core.cli.main import main; code = main(sys.argv[1:]);"
        "sys.stderr.write(json.dumps(sorted(sys.modules))); sys.exit(code)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**shell.environ, **env},
        cwd=shell.cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return set(json.loads(told.stderr))


@pytest.mark.parametrize("args", [(), ("--help",), ("models",), ("--version",), ("list", "--help"), ("run", "--help")])
def test_nothing_heavy_is_imported(cosmos, args):
    assert not imported(cosmos, *args) & HEAVY


def of_a_tab(shell, line):
    """All modules that a Tab at the end of `line` imports."""
    return imported(shell, _COSMOS_COMPLETE="bash_complete", COMP_LINE=line)


@pytest.mark.parametrize("line", ["cosmos ", "cosmos run --", "cosmos list runs --columns id,", "cosmos run --model "])
def test_a_tab_that_needs_no_database_imports_nothing_heavy(used, line):
    assert not of_a_tab(used, line) & (HEAVY | {"sqlite3"})


@pytest.mark.parametrize("line", ["cosmos show rs_", "cosmos wait @last", "cosmos run --tag ", "cosmos run --target "])
def test_a_tab_reads_database_and_configuration_without_what_checks_them(used, line):
    assert not of_a_tab(used, line) & (HEAVY - {"platformdirs"} | {"cosmos_core.config"})


@pytest.mark.parametrize("line", ["--", "--video st", "--set resolution=", "--input vid"])
def test_a_tab_about_a_model_imports_what_it_declares_and_none_of_its_rules(used, line):
    modules = of_a_tab(used, f"cosmos run --model transfer {line}")

    assert "cosmos_transfer.transfer25.parameters" in modules
    assert not modules & (HEAVY - {"attrs", "attr", "pluggy", "cosmos_transfer"})
    assert not modules & {
        "sqlite3",
        "cosmos_core.config",
        "cosmos_core.values",
        *(f"cosmos_transfer.transfer25.{part}" for part in RULES),
    }


def test_cosmos_alone_shows_how_to_start(cosmos):
    told = cosmos()

    assert told.code == 0
    for command in ("cosmos demo", "cosmos run --model transfer", "cosmos list runs"):
        assert command in told.out
    assert cosmos.stored() == (0, 0)


def test_help_names_every_command(cosmos):
    told = cosmos("--help")

    for command in COMMANDS:
        assert re.search(rf"^  {command.split()[0]} ", told.out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example_and_fits(cosmos, command):
    told = cosmos(*command.split(), "--help", COLUMNS="80")

    assert told.code == 0
    assert f"  cosmos {command}" in told.out.partition("Examples:")[2]
    assert max(map(len, told.out.splitlines())) <= 80
    assert cosmos(*command.split(), "-h", COLUMNS="80").out == told.out


def test_the_models_own_options_are_under_their_own_heading(cosmos):
    told = cosmos("run", "--model", "transfer", "--help").out.partition("Options of transfer:")[2]

    for line in ("--video REF", "--num-steps INTEGER  [default: 35; 1..]", "--weights.edge FLOAT", "--mask.NAME REF"):
        assert line in told


def test_the_model_is_known_by_a_stored_id_too(used):
    run = used.json("show", "@last")

    for args in (("run", "--from", run["id"]), ("create", "run", run["prompt_id"]), ("run", f"--from={run['id']}")):
        assert "--num-steps INTEGER" in used(*args, "--help").out


def test_help_is_given_whatever_else_is_wrong(cosmos):
    for args in (("--model", "nope"), ("--from", "rs_nope")):
        told = cosmos("run", *args, "--help")
        assert told.code == 0
        assert "Usage: cosmos run" in told.out


def test_version(cosmos):
    assert re.fullmatch(r"cosmos \d+\.\d+\.\d+\n", cosmos("--version").out)


def test_models_plugins_targets_and_config_show_what_there_is(cosmos):
    assert "transfer" in cosmos("models").out
    assert [m["name"] for m in cosmos.json("models")["items"]].count("transfer") == 1
    schema = cosmos.json("models", "transfer")["schema"]
    assert schema["oneOf"][0]["properties"]["parameters"]["properties"]["num_steps"]["default"] == 35
    assert "--num-steps INTEGER" in cosmos("models", "transfer").out
    assert {"name": "transfer", "status": "ok"}.items() <= next(
        row for row in cosmos.json("plugins")["items"] if row["name"] == "transfer"
    ).items()
    assert cosmos.json("targets")["items"][0]["simulated"] is True
    assert "simulated" in cosmos("targets").out
    told = cosmos("models", "tranfser")
    assert (told.code, "transfer" in told.err) == (2, True)


def test_config_says_where_each_value_comes_from_and_keeps_secrets(cosmos):
    (cosmos.cwd / "cosmos.toml").write_text(
        'default_target = "here"\n[store]\nurl = "postgresql+psycopg://me:hush@db/x"\n'
        '[targets.here.env]\nHF_TOKEN = "${MINE}"\nHF_HOME = "/data/hf"\n'
    )

    environ = {"COSMOS_TARGET": "simulator", "MINE": "hf_hush"}
    told = cosmos("config", **environ)
    items = {item["key"]: item for item in cosmos.json("config", **environ)["items"]}

    assert (items["default_target"]["value"], items["default_target"]["source"]) == ("simulator", "COSMOS_TARGET")
    assert items["home"]["source"] == "COSMOS_HOME"
    assert items["store.url"]["source"].endswith("cosmos.toml")
    assert "hush" not in told.out
    assert "hush" not in json.dumps(items)
    assert items["targets.here.env"]["value"]["HF_HOME"] == "/data/hf"


def test_config_names_the_files_that_would_be_read(cosmos, tmp_path):
    told = cosmos("config", XDG_CONFIG_HOME=str(tmp_path / "own"))

    assert "./cosmos.toml" in told.out
    assert str(tmp_path / "own" / "cosmos" / "cosmos.toml") in told.out
