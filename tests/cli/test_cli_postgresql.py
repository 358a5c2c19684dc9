"""The command line with its history in PostgreSQL: one run's whole life, its words for the database, and completion."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from real_parts import Postgres
from real_processes import HANG_S, patient, until

SLOW = {"STANDIN_STEP_SECONDS": "30"}


@pytest.fixture
def database(shared_postgres: Postgres) -> Iterator[str]:
    """The address of an empty database."""
    name = shared_postgres.database()
    yield shared_postgres.url(name)
    shared_postgres.drop(name)


@pytest.fixture
def there(cosmos, database):
    """A `cosmos` that keeps its history there."""
    cosmos.env["COSMOS_STORE_URL"] = database
    return cosmos


def test_a_run_is_made_shown_listed_found_again_and_cancelled(there, transfer):
    there.forget()
    done = there.json("run", *transfer, "--name", "first", "--tag", "wet")
    assert done["status"] == "completed"
    assert not (there.home / "cosmos.db").exists()
    assert there.json("show", "@last")["id"] == done["id"]
    assert there.json("show", done["id"][:6])["name"] == "first"
    assert there.json("show", done["outputs"]["files"]["video"])["id"] == done["id"]
    again = there.json("run", "--from", "@last", "--set", "seed=7")
    assert [run["id"] for run in there.json("list", "runs")["items"]] == [again["id"], done["id"]]
    tagged = [run["id"] for run in there.json("list", "runs", "--tag", "wet")["items"]]
    assert tagged == [again["id"], done["id"]]  # what is made from a run keeps its tags
    assert there.json("list", "prompts", "--limit", "1")["total"] == len({done["prompt_id"], again["prompt_id"]})
    assert there("logs", done["id"]).out
    assert there("path", f"{done['id']}:video").out.strip() == done["outputs"]["files"]["video"]

    begun = there.json("run", *transfer, "--detach", **SLOW)
    assert begun["status"] in ("running", "queued")
    assert there("sync", "--json").code == 0
    assert there.json("cancel", begun["id"])["status"] == "cancelled"
    assert there.json("list", "runs", "--status", "cancelled")["total"] == 1
    assert "nothing" not in there("clean", "--yes").out
    assert there.json("show", done["id"])["removed_at"]


def test_two_that_start_and_one_that_syncs_at_once_do_not_take_a_run_twice(there, transfer):
    stored = there.json("create", "run", there.json("create", "prompt", *transfer)["id"])
    with ThreadPoolExecutor(3) as threads:
        acts = [("inference", stored["id"]), ("inference", stored["id"]), ("sync", "--follow")]
        ended = list(threads.map(lambda act: there(*act), acts))
    assert [one.err for one in ended if "Traceback" in one.err or "database" in one.err] == []
    assert sorted(one.code for one in ended[:2]) in ([0, 0], [0, 2])
    run = there.json("show", stored["id"])
    assert run["status"] == "completed"
    assert there("logs", stored["id"]).out.count("Found 1 hint keys") == 1


def test_a_server_that_goes_while_a_run_is_watched_costs_nothing_but_a_sync(cosmos, transfer, postgres):
    server = postgres()
    cosmos.env["COSMOS_STORE_URL"] = server.url(server.database())
    assert cosmos("list", "runs").code == 0
    env = {**cosmos.environ, "STANDIN_STEP_SECONDS": "0.2"}
    watching = subprocess.Popen(
        cosmos.argv("run", *transfer),
        cwd=cosmos.cwd,
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(lambda: cosmos.json("list", "runs", "--status", "running")["items"])
    server.stop(kill=True)
    _, told = watching.communicate(timeout=HANG_S)
    assert watching.returncode == 4, told
    assert "cannot be reached" in told
    assert "cosmos sync" in told
    assert server.password not in told
    server.start()
    assert cosmos("sync", "--follow").code == 0
    run = cosmos.json("show", "@last")
    assert run["status"] == "completed"
    assert cosmos("logs", "@last").out.count("Found 1 hint keys") == 1


def test_the_password_is_in_nothing_that_is_said(there, transfer, shared_postgres):
    assert there.json("run", *transfer)["status"] == "completed"
    for words in (("config",), ("config", "--json"), ("show", "@last", "--json"), ("list", "runs", "--debug")):
        said = there(*words)
        assert said.code == 0
        assert shared_postgres.password not in said.out + said.err
    queried = there("config", COSMOS_STORE_URL="postgresql://me@db.example.org/cosmos?password=hunter2&sslmode=require")
    assert "password=***&sslmode=require" in queried.out
    assert "hunter2" not in queried.out
    wrong = there("list", "runs", "--debug", COSMOS_STORE_URL=shared_postgres.url("nosuch"))
    assert wrong.code == 2
    assert "`createdb nosuch`" in wrong.err
    assert shared_postgres.password not in wrong.out + wrong.err
    away = there("list", "runs", COSMOS_STORE_URL=shared_postgres.url("cosmos", port="1"))
    assert away.code == 4
    assert "cannot be reached" in away.err
    assert shared_postgres.password not in away.out + away.err


def test_completion_says_nothing_and_asks_no_server(there, shared_postgres):
    words = {"_COSMOS_COMPLETE": "bash_complete", "COMP_WORDS": "cosmos show rs_", "COMP_CWORD": "2"}
    there.env["COSMOS_STORE_URL"] = shared_postgres.url("cosmos", port="1")
    began = time.monotonic()
    said = there(**words)
    assert (said.code, said.err) == (0, "")
    assert "rs_" not in said.out
    assert time.monotonic() - began < patient(5)
