"""What a PostgreSQL server does to a store: refusals in words, a server that goes and comes, writers side by side."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from real_parts import MakePostgres, Postgres, real
from real_processes import HANG_S, until
from real_session import program
from store_records import a_job, a_prompt, a_run, at, stored_run, submitted_run

from cosmos_core.errors import ConfigError, CosmosError, TargetUnusable, UsageError
from cosmos_core.store import Store, database, queries
from cosmos_core.store.records import Filter

OURS = "SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE table_schema = 'public'"


def refused(url: str) -> CosmosError:
    with pytest.raises(CosmosError) as caught, Store.open(url):
        pass
    return caught.value


@pytest.fixture
def store(on_server: str) -> Iterator[Store]:
    with Store.open(on_server) as store:
        yield store


@pytest.fixture
def owner(on_server: str) -> Iterator[psycopg.Connection]:
    """Another program at the same database."""
    with psycopg.connect(on_server.replace("+psycopg", "")) as connection:
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.2)


# -- one clock for all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["-1d", "+1h"])
def test_leases_go_by_the_servers_clock_whatever_a_laptops_says(on_server: str, off: str) -> None:
    faketime = real(lambda: program("faketime", "faketime"))
    asked = "import sys, time; from cosmos_core.store import Store; store = Store.open(sys.argv[1]);"
    told = "print(time.time(), store.now().timestamp())"
    argv = [faketime, "-f", off, sys.executable, "-c", asked + told, on_server]
    began = time.time()
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=HANG_S)
    laptops, servers = map(float, done.stdout.split())
    assert not began - 1 < laptops < time.time() + 1
    assert began - 1 < servers < time.time() + 1


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_the_drivers_name_may_be_left_out(on_server: str, scheme: str, store: Store) -> None:
    with Store.open(on_server.replace("postgresql+psycopg", scheme)) as other:
        assert other.id == store.id


def test_a_driver_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from cosmos_core.errors import ConfigError\n"
        "from cosmos_core.store import Store\n"
        "try: Store.open('postgresql+psycopg://me:hunter2@db/cosmos')\n"
        "except ConfigError as error: print(error.message, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "psycopg" in done.stdout
    assert "| install it: pip install 'psycopg[binary]'" in done.stdout
    assert "hunter2" not in done.stdout


def test_a_server_that_is_not_there_is_worth_another_try(shared_postgres: Postgres) -> None:
    url = shared_postgres.url("cosmos", port="1")
    error = refused(url)
    assert isinstance(error, TargetUnusable)
    assert (error.exit_code, error.transient) == (4, True)
    assert "cannot be reached" in error.message
    assert "127.0.0.1:1/cosmos" in error.message
    assert shared_postgres.password not in error.message + error.hint


@pytest.mark.parametrize("changed", [{"password": "hunter2"}, {"user": "mallory", "password": "hunter2"}])
def test_a_refused_password_is_told_without_it(shared_postgres: Postgres, changed: dict[str, str]) -> None:
    error = refused(shared_postgres.url("postgres", **changed))
    assert isinstance(error, ConfigError)
    assert "refused the login of " + changed.get("user", "cosmos") in error.message
    assert "COSMOS_STORE_URL" in error.hint
    assert "hunter2" not in error.message + error.hint


def test_a_database_that_is_not_there_is_named_with_the_command_that_makes_it(shared_postgres: Postgres) -> None:
    error = refused(shared_postgres.url("nosuch"))
    assert isinstance(error, ConfigError)
    assert "does not exist" in error.message
    assert "`createdb nosuch`" in error.hint
    assert shared_postgres.password not in error.message


def test_a_database_that_cannot_hold_every_text_is_refused_and_left_empty(shared_postgres: Postgres) -> None:
    name = shared_postgres.database(options="ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
    try:
        error = refused(shared_postgres.url(name))
        assert isinstance(error, ConfigError)
        assert "LATIN1" in error.message
        assert "--encoding=UTF8" in error.hint
        assert shared_postgres.sql(OURS, name) == []
    finally:
        shared_postgres.drop(name)


def test_who_may_only_read_reads_and_is_refused_a_write(
    on_server: str, store: Store, shared_postgres: Postgres
) -> None:
    run = stored_run(store)
    database_name = on_server.rpartition("/")[2]
    shared_postgres.sql("CREATE ROLE reader LOGIN PASSWORD 'hunter2'")
    try:
        shared_postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database_name)
        with Store.open(shared_postgres.url(database_name, user="reader", password="hunter2")) as only_read:
            assert only_read.run(run.id) == run
            with pytest.raises(ConfigError, match="cannot be written") as caught:
                only_read.add(a_prompt(), None)
            assert "rights" in caught.value.hint
    finally:
        shared_postgres.sql("DROP OWNED BY reader", database_name)
        shared_postgres.sql("DROP ROLE reader")


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_is_never_let_go_is_told_as_such(on_server: str, owner: psycopg.Connection) -> None:
    with Store.open(on_server) as store:
        run, _ = submitted_run(store)
        owner.execute("SELECT * FROM jobs FOR UPDATE")
        with pytest.raises(TargetUnusable, match="locked by another program") as caught:
            store.note(run.id, job_epoch=1, reachable=True)
        assert caught.value.transient
        owner.rollback()
        assert store.note(run.id, job_epoch=1, reachable=True)


# -- a server that goes --------------------------------------------------------------------------------------------


def test_a_server_that_goes_in_the_middle_is_worth_another_try_and_comes_back_unnoticed(postgres: MakePostgres) -> None:
    server = postgres()
    url = server.url(server.database())
    with Store.open(url) as store:
        run, _ = submitted_run(store)
        server.restart()
        assert store.run(run.id).id == run.id  # the connection is another, and nobody has to know
        server.stop(kill=True)
        for ask in (lambda: store.run(run.id), lambda: store.add(a_prompt(), None)):
            with pytest.raises(TargetUnusable, match="cannot be reached") as caught:
                ask()
            assert caught.value.transient
            assert "cosmos sync" in caught.value.hint
            assert server.password not in caught.value.message
        server.start()
        assert store.note(run.id, job_epoch=1, reachable=True)
        assert store.run(run.id).reachable


def test_a_connection_that_is_cut_within_a_transaction_leaves_nothing_of_it(
    store: Store, on_server: str, owner: psycopg.Connection, shared_postgres: Postgres
) -> None:
    run, _ = submitted_run(store)
    owner.execute("LOCK TABLE runs IN EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as other:
        noted = other.submit(store.note, run.id, job_epoch=1, name="half")
        find = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ((pid,),) = until(lambda: shared_postgres.sql(find, on_server.rpartition("/")[2]))
        shared_postgres.sql(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(TargetUnusable, match="cannot be reached"):
            noted.result()
    owner.rollback()
    assert store.run(run.id) == run


def test_a_server_with_no_room_is_waited_for(postgres: MakePostgres) -> None:
    server = postgres()
    name = server.database()
    Store.open(server.url(name)).close()
    server.sql("ALTER SYSTEM SET max_connections = 5")
    server.sql("ALTER SYSTEM SET superuser_reserved_connections = 0")
    server.restart()
    url = server.url(name).replace("+psycopg", "")
    crowd = [psycopg.connect(url) for _ in range(5)]
    leaving = threading.Timer(0.5, lambda: [connection.close() for connection in crowd])
    leaving.start()
    began = time.monotonic()
    with Store.open(server.url(name)) as store:
        stored_run(store)
    assert time.monotonic() - began > 0.4
    leaving.join()


# -- deciding ------------------------------------------------------------------------------------------------------


def test_text_is_told_apart_and_ordered_by_its_code_points(on_server: str, store: Store) -> None:
    with psycopg.connect(on_server.replace("+psycopg", "")) as c:
        text = c.execute(f"{OURS} AND data_type IN ('text', 'character varying') AND table_name <> 'alembic_version'")
        kinds = {(table, column): collation for table, column, collation in text}
    assert len(kinds) > 40
    assert {place for place, collation in kinds.items() if collation != "C"} == set()
    store.add(a_prompt(tags=("Zoo", "apple", "_x", "ähre", "a b", "a\0", "a\1", "a\2")), None)
    (prompt,) = store.prompts().items
    assert prompt.tags == tuple(sorted(prompt.tags))
    assert store.prompts(Filter(tag="a\0")).total == 1
    assert store.prompts(Filter(tag="A B")).total == 0


def test_a_new_mover_waits_for_what_the_old_one_is_writing(store: Store, owner: psycopg.Connection) -> None:
    """Between its look at the epoch and its commit nobody can take the lease: what is written late would be lost."""
    run, job = submitted_run(store)
    owner.execute("SELECT * FROM runs FOR UPDATE")  # so that the write has to wait in its middle
    with ThreadPoolExecutor(2) as others:
        moved = others.submit(store.move, run.id, job_epoch=1, state="pending", to="uploading")
        _waiting(owner, 1)
        taken = others.submit(store.take_lease, job.id, "second", seconds=10, now=at(0), steal=True)
        _waiting(owner, 2)
        owner.rollback()
        assert moved.result()
        assert taken.result() == 2
    assert store.run(run.id).status == "uploading"


def test_what_is_written_after_the_lease_went_is_refused(store: Store, owner: psycopg.Connection) -> None:
    run, job = submitted_run(store)
    owner.execute("UPDATE jobs SET epoch = 2, holder = 'second'")
    with ThreadPoolExecutor(1) as others:
        late = others.submit(store.move, run.id, job_epoch=1, state="pending", to="failed")
        _waiting(owner, 1)
        owner.commit()
        assert not late.result()
    assert (store.run(run.id).status, store.job(job.id).holder) == ("pending", "second")


def test_two_changes_of_the_outputs_at_once_are_both_kept(store: Store, owner: psycopg.Connection) -> None:
    run, _ = submitted_run(store)
    owner.execute("SELECT * FROM jobs FOR UPDATE")
    with ThreadPoolExecutor(2) as others:
        values = others.submit(store.note, run.id, job_epoch=1, values={"answer": 42})
        text = others.submit(store.note, run.id, job_epoch=1, text="forty-two")
        _waiting(owner, 2)
        owner.rollback()
        assert values.result()
        assert text.result()
    found = store.run(run.id)
    assert (found.values, found.text) == ({"answer": 42}, "forty-two")


def test_the_wish_to_cancel_and_a_start_at_once_come_one_after_the_other(
    store: Store, owner: psycopg.Connection
) -> None:
    run = stored_run(store)
    owner.execute("SELECT * FROM runs FOR UPDATE")
    with ThreadPoolExecutor(2) as others:
        cancelled = others.submit(store.request_cancel, run.id, at(5))
        _waiting(owner, 1)
        started = others.submit(store.submit, run.id, a_job(), "me", 10, now=at(0))
        _waiting(owner, 2)
        owner.rollback()
        cancelled.result()
        with pytest.raises(UsageError, match="started or cancelled by another"):
            started.result()
    assert (store.run(run.id).status, store.run(run.id).job_id) == ("cancelled", None)


def test_all_queries_of_a_read_see_the_same_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = a_prompt()
    store.add(prompt, None)
    read = queries._tags

    def meanwhile(*args: object) -> object:
        store.add(None, a_run(prompt.id))
        return read(*args)  # type: ignore[arg-type]

    stored_run(store)
    monkeypatch.setattr(queries, "_tags", meanwhile)
    page = store.runs()
    assert (len(page.items), page.total) == (1, 1)


def _waiting(owner: psycopg.Connection, count: int) -> None:
    """Wait until so many connections wait for a lock."""
    find = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def there() -> bool:
        owner.execute("SELECT pg_stat_clear_snapshot()")
        found = owner.execute(find).fetchone()
        return found is not None and found[0] == count

    until(there, 10)
