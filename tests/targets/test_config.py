"""The configuration: every key as documented, where each value comes from, and refusals that name the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cosmos_core.config import Config, Setting
from cosmos_core.config_file import database_url, target_names
from cosmos_core.errors import ConfigError, UnknownName, UsageError

EVERYTHING = """
default_target = "h100"

[store]
url = "sqlite:///other.db"

[targets.h100]
host = "gpu.example.org"
work_dir = "/data/cosmos"
runtime = "docker"
docker = ["sudo", "docker"]
gpus = 4
connect_timeout = 12
lock_dir = "/run/lock/other"
env_file = "h100.env"
env = { HF_HOME = "/data/hf" }
mounts = ["/data/hf"]
ipc = "host"

[targets.h100.toolkits."cosmos-transfer2.5"]
image = "cosmos-transfer2.5:latest"
repo = "/opt/cosmos-transfer2.5"
prefix = ["uv", "run"]
volumes = ["/workspace/.venv"]
checkpoint_path = "/data/my.pt"

[targets.h100.toolkits.mine]
kind = "cosmos-transfer1"
repo = "/opt/one"

[targets.desk]
gpus = [0, 2]
shm_size = "16g"
"""


def load(folder: Path, text: str, **environ: str) -> Config:
    """The configuration of that text, with these environment variables and no others."""
    file = folder / "cosmos.toml"
    file.write_text(text, encoding="utf-8")
    return Config.load(file, {"COSMOS_HOME": str(folder / "home")} | environ)


def refused(folder: Path, text: str, **environ: str) -> str:
    """What the refusal of that text says, hint and all."""
    with pytest.raises((ConfigError, UnknownName)) as caught:
        load(folder, text, **environ)
    return f"{caught.value.message} {caught.value.hint}"


def test_every_documented_key(tmp_path: Path) -> None:
    config = load(tmp_path, EVERYTHING)
    target = config.target(None)
    assert (target.name, target.host, target.work_dir) == ("h100", "gpu.example.org", "/data/cosmos")
    assert (target.runtime, target.docker) == ("docker", ("sudo", "docker"))
    assert (target.gpus, target.gpu_count, target.connect_timeout) == (4, 4, 12.0)
    assert (target.lock_dir, target.ipc, target.shm_size) == ("/run/lock/other", "host", None)
    assert (target.env_file, target.env) == (str(tmp_path / "h100.env"), {"HF_HOME": "/data/hf"})
    assert target.mounts == ("/data/hf",)
    site = target.site_of("cosmos-transfer2.5")
    assert site
    assert (site.image, site.repo) == ("cosmos-transfer2.5:latest", "/opt/cosmos-transfer2.5")
    assert (site.prefix, site.volumes) == (("uv", "run"), ("/workspace/.venv",))
    assert site.settings == {"checkpoint_path": "/data/my.pt"}
    other = target.site_of("cosmos-transfer1")
    assert other
    assert other.repo == "/opt/one"
    desk = config.target("desk")
    assert (desk.host, desk.runtime, desk.gpus, desk.gpu_count, desk.shm_size) == (None, "process", (0, 2), 2, "16g")
    assert desk.work_dir == str(tmp_path / "home" / "work")
    assert config.store_url == f"sqlite:///{tmp_path / 'home' / 'other.db'}"


def test_nothing_configured_is_the_simulator(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    target = config.target(None)
    assert (target.name, target.simulated, target.work_dir) == ("simulator", True, str(tmp_path / "home" / "simulator"))
    assert config.store_url == f"sqlite:///{tmp_path / 'home' / 'cosmos.db'}"


def test_the_only_target_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "[targets.desk]\n").target(None).name == "desk"


def test_several_targets_and_no_default(tmp_path: Path) -> None:
    config = load(tmp_path, "[targets.a]\n[targets.b]\n")
    with pytest.raises(UsageError, match="a, b") as caught:
        config.target(None)
    assert "--target" in caught.value.hint
    assert config.target("b").name == "b"
    assert load(tmp_path, "[targets.a]\n[targets.b]\n", COSMOS_TARGET="b").target(None).name == "b"


def test_unknown_names_get_the_nearest_right_one(tmp_path: Path) -> None:
    assert "work_dir" in refused(tmp_path, '[targets.a]\nworkdir = "/x"\n')
    assert "targets.a.workdir" in refused(tmp_path, '[targets.a]\nworkdir = "/x"\n')
    assert "default_target" in refused(tmp_path, 'default_targt = "a"\n')
    assert "store.ulr" in refused(tmp_path, '[store]\nulr = "x"\n')
    assert "h100" in refused(tmp_path, 'default_target = "h10"\n[targets.h100]\n')
    with pytest.raises(UnknownName, match="h10") as caught:
        load(tmp_path, "[targets.h100]\n").target("h10")
    assert "h100" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[targets.a]\ngpus = "many"', "targets.a.gpus"),
        ('[targets.a]\nruntime = "podman"', "targets.a.runtime"),
        ("[targets.a]\nconnect_timeout = 0", "targets.a.connect_timeout"),
        ("[targets.a]\nmounts = 3", "targets.a.mounts"),
        ("[targets.a]\nenv = { A = [1] }", "targets.a.env"),
        ("[targets.a.toolkits.t]\nprefix = 3", "targets.a.toolkits.t.prefix"),
        ('[targets.a]\ntoolkits = "t"', "toolkits"),
        ("targets = 3", "targets"),
        ("targets.a = 3", "targets.a"),
        ("store = 3", "store"),
        ('simulate = "sometimes"', "simulate"),
        ('[targets.a]\nhost = "h"', "targets.a.work_dir"),
        ("default_target = 3", "default_target"),
    ],
)
def test_a_bad_value_is_refused_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    said = refused(tmp_path, text)
    assert key in said
    assert str(tmp_path / "cosmos.toml") in said


def test_all_faults_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, '[store]\nulr = "x"\n[targets.a]\ngpus = "many"\nruntim = "docker"\n')
    for key in ("store.ulr", "targets.a.gpus", "targets.a.runtim"):
        assert key in said


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    said = refused(tmp_path, "[targets.a\n")
    assert str(tmp_path / "cosmos.toml") in said
    assert "line 1" in said
    (tmp_path / "cosmos.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "cosmos.toml"))):
        Config.load(tmp_path / "cosmos.toml", {"COSMOS_HOME": str(tmp_path)})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file at"):
        Config.load(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="no configuration file at"):
        Config.load(None, {"COSMOS_CONFIG": str(tmp_path / "absent.toml")})


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cosmos.toml").write_text("[targets.here]\n")
    (tmp_path / "named.toml").write_text("[targets.named]\n")
    (tmp_path / "given.toml").write_text("[targets.given]\n")
    home = {"COSMOS_HOME": str(tmp_path / "home")}
    assert Config.load(None, home).target(None).name == "here"
    by_name = home | {"COSMOS_CONFIG": str(tmp_path / "named.toml")}
    assert Config.load(None, by_name).target(None).name == "named"
    assert Config.load("given.toml", by_name).target(None).name == "given"
    (tmp_path / "cosmos.toml").unlink()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Config.load(None, home).path is None


def test_environment_variables_win(tmp_path: Path) -> None:
    text = 'default_target = "a"\nsimulate = "never"\n[store]\nurl = "sqlite:///a.db"\n[targets.a]\n[targets.b]\n'
    config = load(tmp_path, text, COSMOS_TARGET="b", COSMOS_SIMULATE="auto", COSMOS_STORE_URL="sqlite:////x/b.db")
    assert (config.default_target, config.simulate, config.store_url) == ("b", "auto", "sqlite:////x/b.db")
    rows = {setting.key: setting for setting in config.settings}
    assert rows["default_target"] == Setting("default_target", "b", "COSMOS_TARGET")
    assert rows["simulate"].source == "COSMOS_SIMULATE"
    assert rows["store.url"].source == "COSMOS_STORE_URL"
    assert rows["home"].source == "COSMOS_HOME"
    rows = {setting.key: setting for setting in load(tmp_path, text).settings}
    assert rows["default_target"].source == str(tmp_path / "cosmos.toml")
    assert "simulate" in refused(tmp_path, "", COSMOS_SIMULATE="perhaps")


def test_nvidias_variables_are_not_ours(tmp_path: Path) -> None:
    plain, with_theirs = (
        load(tmp_path, ""),
        load(tmp_path, "", COSMOS_SMOKE="1", COSMOS_VERBOSE="1", COSMOS_WORK_DIR="x"),
    )
    assert plain == with_theirs


def test_variables_are_expanded(tmp_path: Path) -> None:
    text = """
    [targets.a]
    work_dir = "${BASE}/work"
    mounts = ["${BASE}/hf", "/x"]
    env = { TOKEN = "${TOKEN}" }
    [targets.a.toolkits.t]
    repo = "${BASE}/repo"
    checkpoint = "${BASE}/c"
    """
    target = load(tmp_path, text, BASE="/data").target(None)
    site = target.site_of("t")
    assert site
    assert (target.work_dir, target.mounts) == ("/data/work", ("/data/hf", "/x"))
    assert (site.repo, site.settings) == ("/data/repo", {"checkpoint": "/data/c"})
    assert target.env == {"TOKEN": "${TOKEN}"}  # at launch, and never written down
    said = refused(tmp_path, text)
    for key in ("work_dir", "mounts", "toolkits.t.repo", "toolkits.t.checkpoint"):
        assert said.count(f"targets.a.{key}: the environment variable BASE is not set") == 1
    assert said.count("is not set") == 4


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    text = '[targets.a]\nwork_dir = "work"\nenv_file = "~/a.env"\n[targets.a.toolkits.t]\nrepo = "repo"\n'
    target = load(tmp_path, text).target(None)
    site = target.site_of("t")
    assert site
    assert (target.work_dir, target.env_file) == (str(tmp_path / "work"), str(tmp_path / "me" / "a.env"))
    assert site.repo == str(tmp_path / "repo")


PATHS = {
    "work_dir": '"{}"',
    "lock_dir": '"{}"',
    "mounts": '["/data", "{}"]',
    "docker": '["sudo", "{}"]',
    "toolkits.t.repo": '"{}"',
    "toolkits.t.prefix": '["{}", "run"]',
}


def table_with(key: str, value: str, host: str = "") -> str:
    """A target with one setting, on a host or on this machine."""
    table, _, name = f"targets.a.{key}".rpartition(".")
    lines = ["[targets.a]", *([f'host = "{host}"'] if host else []), 'work_dir = "/w"']
    if name == "work_dir":
        lines.pop()
    lines += [f"[{table}]"] if table != "targets.a" else []
    return "\n".join([*lines, f"{name} = {value}"])


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize("path", ["~/x", "x", "./x", "", "/a\\nb"])
def test_paths_on_another_host_have_to_be_absolute(tmp_path: Path, key: str, path: str) -> None:
    text = table_with(key, PATHS[key].format(path), "h")
    if key.endswith(("docker", "prefix")) and not path.startswith("~"):
        load(tmp_path, text)  # a program, found by its name
    else:
        assert f"targets.a.{key}: " in refused(tmp_path, text)


@pytest.mark.parametrize("key", PATHS)
def test_paths_on_this_machine_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    def read_as(path: str) -> str:
        target = load(tmp_path, table_with(key, PATHS[key].format(path))).target("a")
        *_, name = key.split(".")
        value = getattr(target.toolkits["t"] if key.startswith("toolkits") else target, name)
        return value if isinstance(value, str) else next(word for word in value if "x" in word)

    assert read_as("~/x") == str(tmp_path / "me" / "x")
    if not key.endswith(("docker", "prefix")):
        assert read_as("x") == str(tmp_path / "x")
    assert read_as("/x") == "/x"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gpus = -1", "gpus"),
        ("gpus = [0, -1]", "gpus"),
        ("gpus = [0, 0]", "gpus"),
        ("gpus = true", "gpus"),
        ("gpus = [false]", "gpus"),
        ("gpus = 1.5", "gpus"),
        ("gpus = 1000000000", "gpus"),
        ('mounts = ["/data:/data"]', "mounts"),
        ('mounts = ["/data", "/data"]', "mounts"),
        ('toolkits.t.volumes = ["workspace/.venv"]', "toolkits.t.volumes"),
        ('toolkits.t.volumes = ["/data:/workspace/.venv"]', "toolkits.t.volumes"),
        ('env_file = "~no-such-user/a.env"', "env_file"),
    ],
)
def test_a_target_that_no_job_could_use_is_refused(tmp_path: Path, text: str, key: str) -> None:
    assert f"targets.a.{key}: " in refused(tmp_path, f"[targets.a]\n{text}\n")


@pytest.mark.parametrize(
    "host",
    [
        "gpu",
        "gpu_2",
        "ada@gpu",
        "ada@gpu:2222",
        "ssh://ada@gpu:2222",
        "gpu.org",
        "me@corp.org@gpu",
        "::1",
        "fe80::1%eth0",
        "[::1]:22",
        "10.0.0.7:22",
    ],
)
def test_a_host_as_people_write_it(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, f'[targets.a]\nhost = "{host}"\nwork_dir = "/w"\n').target("a").host == host


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("https://gpu.example.org", "is a URL"),
        ("gpu -p 2222", "~/.ssh/config"),
        ("-oProxyCommand=x", "~/.ssh/config"),
        ("ada:hush@gpu", "log in by a key"),
        ("gpu:/data", "[USER@]NAME[:PORT]"),
        ("gpu:ssh", "[USER@]NAME[:PORT]"),
        ("gpu:70000", "[USER@]NAME[:PORT]"),
        ("ada@", "[USER@]NAME[:PORT]"),
    ],
)
def test_what_is_no_host_is_refused(tmp_path: Path, host: str, words: str) -> None:
    said = refused(tmp_path, f'[targets.a]\nhost = "{host}"\nwork_dir = "/w"\n')
    assert "targets.a.host: " in said
    assert words in said
    assert "hush" not in said


def test_a_database_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    url = load(tmp_path, '[store]\nurl = "sqlite:///~/cosmos.db"\n').store_url
    assert url == f"sqlite:///{tmp_path / 'me' / 'cosmos.db'}"


def test_the_simulator_can_be_switched_off(tmp_path: Path) -> None:
    for config in (load(tmp_path, 'simulate = "never"'), load(tmp_path, "", COSMOS_SIMULATE="never")):
        for name in (None, "simulator"):
            with pytest.raises(UsageError, match="switched off"):
                config.target(name)


def test_a_store_that_ran_for_real_does_not_simulate_unasked(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    with pytest.raises(UsageError, match="real targets") as caught:
        config.target(None, may_simulate=False)
    assert "--target simulator" in caught.value.hint
    assert config.target("simulator", may_simulate=False).simulated
    assert load(tmp_path, 'default_target = "simulator"').target(None, may_simulate=False).simulated


def test_a_secret_is_not_written_where_runs_keep_it(tmp_path: Path) -> None:
    text = '[targets.here]\nenv = { HF_TOKEN = "hf_abc", HF_HOME = "/data/hf" }\n'
    words = refused(tmp_path, text)
    assert "targets.here.env.HF_TOKEN" in words
    assert "env_file" in words
    assert "hf_abc" not in words
    target = load(tmp_path, text.replace("hf_abc", "${HF_TOKEN}")).targets["here"]
    assert target.env["HF_TOKEN"] == "${HF_TOKEN}"  # expanded when a job starts, and stored as it stands here


SHAPES = {
    "HUB": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    "http_proxy": "http://me:hush-hush@proxy.example.org:3128",
    "MODEL_SERVER": "sk-proj-Abcdefghijklmnop1234567890",
    "CI": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "BUCKET": "AKIAIOSFODNN7EXAMPLE",
    "NGC": "nvapi-abcdefghijklmnopqrstuvwxyz012345",
    "EXTRA_HEADERS": "Authorization: Bearer abcdefghijklmnop",
    "IDENTITY": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "DB_PASSWD": "hush-hush",
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("place", ["env", "prefix", "setting"])
def test_a_secret_is_known_by_its_value_wherever_it_stands(tmp_path: Path, name: str, place: str) -> None:
    if name == "DB_PASSWD" and place != "env":
        return  # known by its name only
    text = {
        "env": f'[targets.a]\nenv = {{ {name} = "{SHAPES[name]}" }}\n',
        "prefix": f'[targets.a.toolkits.t]\nprefix = ["env", "{name}={SHAPES[name]}"]\n',
        "setting": f'[targets.a.toolkits.t]\nurl = "${{{name}}}"\n',  # filled in, and stored, when the file is read
    }[place]
    words = refused(tmp_path, text, **{name: SHAPES[name]})
    assert "looks like a secret" in words
    assert "env_file" in words
    assert SHAPES[name] not in words


def test_what_only_sounds_like_a_secret_is_taken(tmp_path: Path) -> None:
    taken = {
        "TOKENIZERS_PARALLELISM": "false",
        "MAX_TOKENS": "512",
        "HF_TOKEN_PATH": "/data/hf/token",
        "HF_HUB_ENABLE_HF_TRANSFER": "1",
        "HF_HOME": "/data/hf_checkpoints_of_everybody",
        "http_proxy": "http://proxy.example.org:3128",
        "CUDA_HOME": "/usr/local/cuda-12.8",
        "with_password": "http://me:${PROXY_PASSWORD}@proxy.example.org:3128",
        "NGC_API_KEY": "${NGC_API_KEY}",
    }
    lines = "\n".join(f'{name} = "{value}"' for name, value in taken.items())
    assert load(tmp_path, f"[targets.a.env]\n{lines}\n").targets["a"].env == taken


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("", {}),
        (EVERYTHING, {}),
        (EVERYTHING, {"COSMOS_STORE_URL": "postgresql+psycopg://me@db/x"}),
        ('[store]\nurl = "sqlite:///${WHERE}/a.db"', {"WHERE": "/data"}),
        ('[store]\nurl = "sqlite:///~/a.db"\n[targets.simulator]', {"COSMOS_HOME": ""}),
    ],
)
def test_a_tab_reads_the_same_database_and_targets(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    config = load(tmp_path, text, **environ)
    env = {"COSMOS_HOME": str(tmp_path / "home")} | environ
    assert database_url(config.path, env) == config.store_url
    assert set(target_names(config.path, env)) == {*config.targets, config.simulator.name}


@pytest.mark.parametrize("text", ["store = 3", "[store]\nurl = 3", '[store]\nurl = "sqlite:///${GONE}"'])
def test_where_no_database_can_be_told_a_tab_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cosmos.toml").write_text(text)
    assert database_url(tmp_path / "cosmos.toml", {}) is None
    assert target_names(tmp_path / "cosmos.toml", {}) == ("simulator",)
