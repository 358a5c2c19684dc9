"""Finding things again: pages, filters, short ids, `@last`, and files by what is in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_records import a_prompt, a_run, at, stored_run

from cosmos_core.errors import NotFound, UsageError
from cosmos_core.store import Store
from cosmos_core.store.records import Artifact, Filter, InputRecord, Link, PromptRecord, RunRecord
from cosmos_core.store.refs import SMOKE_TEST


def prompt_for(store: Store, model: str) -> PromptRecord:
    """A stored prompt of a model that no other example uses."""
    prompt = a_prompt(model_type=model)
    store.add(prompt, None)
    return prompt


def ids(runs: object) -> list[str]:
    assert isinstance(runs, tuple)
    return [run.id for run in runs]


# -- pages ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.lists(st.integers(0, 5), min_size=0, max_size=20),
    limit=st.integers(1, 7),
    late=st.lists(st.integers(-5, 10), max_size=6),
    example=st.uuids(),
)
def test_every_row_is_on_exactly_one_page_newest_first_whatever_is_stored_meanwhile(
    shared_store: Store, seconds: list[int], limit: int, late: list[int], example: object
) -> None:
    prompt = prompt_for(shared_store, f"m{example}"[:32])

    def add(second: int) -> RunRecord:
        run = a_run(prompt.id, model_type=prompt.model_type, created_at=at(second))
        shared_store.add(None, run)
        return run

    stored = [add(second) for second in seconds]
    coming = iter(late)
    seen: list[RunRecord] = []
    where: Filter | None = Filter(model=prompt.model_type, limit=limit)
    while where is not None:
        page = shared_store.runs(where)
        assert len(page.items) <= limit
        assert not set(ids(page.items)) & {run.id for run in seen}  # here, or it might go on for ever
        seen += page.items
        where = Filter(model=prompt.model_type, limit=limit, after=page.next) if page.next else None
        if (second := next(coming, None)) is not None:
            add(second)
    places = [(run.created_at, run.id) for run in seen]
    assert places == sorted(set(places), reverse=True)
    assert {run.id for run in stored} <= {run.id for run in seen}


def test_a_page_says_how_many_there_are_and_where_the_rest_begins(store: Store) -> None:
    runs = [stored_run(store, created_at=at(second)) for second in range(5)]
    first = store.runs(Filter(limit=3))
    assert (first.total, first.limit) == (5, 3)
    rest = store.runs(Filter(limit=3, after=first.next))
    assert (rest.total, rest.next) == (5, None)
    assert ids(first.items) + ids(rest.items) == [run.id for run in reversed(runs)]
    assert store.runs(Filter(limit=5)).next is None


@pytest.mark.parametrize("cursor", ["nonsense", "2026", "2026-03-01", "rs_abc", "_", "0001-01-01T00:00:00+14:00_rs_a"])
def test_what_is_no_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="not a cursor"):
        store.runs(Filter(after=cursor))


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_moment_without_a_time_zone_is_refused(store: Store, name: str) -> None:
    said: dict[str, Any] = {name: at(0).replace(tzinfo=None)}
    with pytest.raises(UsageError, match=f"{name}: .* has no time zone"):
        store.runs(Filter(**said))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_of_nothing_is_refused(store: Store, limit: int) -> None:
    stored_run(store)
    with pytest.raises(UsageError, match="holds nothing"):
        store.runs(Filter(limit=limit))


@pytest.mark.parametrize("limit", [10_001, 10**30])
def test_a_page_that_is_too_long_is_refused(store: Store, limit: int) -> None:
    stored_run(store)
    assert store.runs(Filter(limit=10_000)).total == 1
    with pytest.raises(UsageError, match="too long"):
        store.runs(Filter(limit=limit))


# -- filters -------------------------------------------------------------------------------------------------------


def test_runs_are_chosen_by_each_of_the_filters_and_by_all_together(store: Store) -> None:
    store.add_group("gr_aaaaaaaaaa", "", at(0), [])
    stored_run(store, created_at=at(0))
    prompt = a_prompt()
    wanted = a_run(
        prompt.id,
        model_type="reason",
        status="failed",
        target="h100",
        group_id="gr_aaaaaaaaaa",
        tags=("best", "of three"),
        created_at=at(10),
    )
    store.add(prompt, wanted)
    stored_run(store, created_at=at(20))
    each: dict[str, Any] = {
        "model": "reason",
        "status": "failed",
        "target": "h100",
        "group": "gr_aaaaaaaaaa",
        "prompt": prompt.id,
        "tag": "best",
    }
    for name, value in each.items():
        assert ids(store.runs(Filter(**{name: value})).items) == [wanted.id], name
        other: dict[str, Any] = {name: "lost" if name == "status" else "other"}
        assert store.runs(Filter(**other)).total == 0, name
    assert ids(store.runs(Filter(since=at(10), until=at(20))).items) == [wanted.id]
    assert store.runs(Filter(until=at(10))).total == 1
    assert store.runs(Filter(since=at(10))).total == 2
    assert ids(store.runs(Filter(since=at(5), until=at(15), **each)).items) == [wanted.id]


def test_prompts_are_chosen_by_model_tag_time_and_parent(store: Store) -> None:
    old = a_prompt(model_type="reason", tags=("kept",), created_at=at(0))
    new = a_prompt(parent_id=old.id, created_at=at(10))
    store.add(old, None)
    store.add(new, None)
    assert store.prompts(Filter(model="reason")).items == (old,)
    assert store.prompts(Filter(tag="kept")).items == (old,)
    assert store.prompts(Filter(since=at(5))).items == (new,)
    assert store.prompts(Filter(prompt=old.id)).items == (new,)


@pytest.mark.parametrize("name", ["status", "target", "group"])
def test_what_prompts_do_not_have_they_are_not_chosen_by(store: Store, name: str) -> None:
    said: dict[str, Any] = {name: "failed"}
    with pytest.raises(UsageError, match=f"prompts have no {name}"):
        store.prompts(Filter(**said))


# -- ids -----------------------------------------------------------------------------------------------------------


def test_any_beginning_that_only_one_id_has_is_enough(store: Store) -> None:
    stored_run(store, id="rs_abcaaaaaaa")
    stored_run(store, id="rs_abdaaaaaaa")
    assert store.resolve("rs_abc") == "rs_abcaaaaaaa"
    assert store.resolve("rs_abd", ("rs",)) == "rs_abdaaaaaaa"
    assert store.resolve("rs_abdaaaaaaa") == "rs_abdaaaaaaa"


def test_an_id_is_itself_though_another_one_begins_with_it(store: Store) -> None:
    stored_run(store, id="rs_abcdefgh")
    stored_run(store, id="rs_abcdefghij")
    assert store.resolve("rs_abcdefgh") == "rs_abcdefgh"


def test_a_beginning_of_several_ids_is_refused_with_some_of_them(store: Store) -> None:
    for last in "abcdefgh":
        stored_run(store, id=f"rs_xyzaaaaaa{last}")
    with pytest.raises(UsageError) as caught:
        store.resolve("rs_xyz")
    assert "rs_xyzaaaaaaa, rs_xyzaaaaaab" in caught.value.message
    assert caught.value.message.endswith("...")
    assert "rs_xyzaaaaaah" not in caught.value.message


@pytest.mark.parametrize(
    "ref", ["rs_zz", "rs_", "rs", "", "rs_%", "rs__", "RS_ABC", "rs_ABC", "gr_a", "jb_a", "@first"]
)
def test_what_names_nothing_is_not_found(store: Store, ref: str) -> None:
    stored_run(store, id="rs_abcaaaaaaa")
    with pytest.raises(NotFound) as caught:
        store.resolve(ref)
    assert ref in caught.value.message
    assert "cosmos list" in caught.value.hint


@pytest.mark.parametrize("ref", ["rs_abc", "@last"])
def test_an_id_of_another_kind_is_refused(store: Store, ref: str) -> None:
    stored_run(store, id="rs_abcaaaaaaa")
    with pytest.raises(UsageError, match="is a run; this wants a prompt"):
        store.resolve(ref, ("ps",))


def test_a_name_is_as_good_as_an_id_while_only_one_has_it(store: Store) -> None:
    prompt = a_prompt(name="a street")
    run = a_run(prompt.id, name="a street in rain")
    store.add(prompt, run)
    twice = [stored_run(store, name="said twice").id for _ in range(2)]
    assert store.resolve("a street in rain") == run.id
    assert store.resolve("a street", ("ps", "rs")) == prompt.id
    with pytest.raises(NotFound):
        store.resolve("a street in rain", ("ps",))
    with pytest.raises(UsageError, match="2 runs are named said twice") as caught:
        store.resolve("said twice", ("rs",))
    assert all(id_ in caught.value.message for id_ in twice)


def test_the_name_of_a_run_that_was_tried_again_means_the_last_try(store: Store) -> None:
    first = stored_run(store, name="rain")
    second = stored_run(store, name="rain", retry_of=first.id)
    third = stored_run(store, name="rain", retry_of=second.id)
    assert store.resolve("rain", ("rs",)) == third.id


def test_last_means_no_run_that_only_tried_a_target(store: Store) -> None:
    run = stored_run(store, created_at=at(1))
    stored_run(store, created_at=at(2), tags=(SMOKE_TEST,))
    assert store.resolve("@last") == run.id
    with pytest.raises(NotFound):
        store.resolve("@last~1")


def test_the_tag_of_a_prompt_finds_its_runs(store: Store) -> None:
    prompt = a_prompt(tags=("sh010",))
    run = a_run(prompt.id)
    store.add(prompt, run)
    stored_run(store)
    assert [each.id for each in store.runs(Filter(tag="sh010")).items] == [run.id]


def test_last_counts_back_from_the_newest_run(store: Store) -> None:
    runs = [stored_run(store, created_at=at(second)) for second in (2, 0, 1)]
    assert store.resolve("@last") == runs[0].id
    assert store.resolve("@last~0") == runs[0].id
    assert store.resolve("@last~1") == runs[2].id
    assert store.resolve("@last~2") == runs[1].id
    for ref in ("@last~3", "@last~999999999"):
        with pytest.raises(NotFound, match="not that many"):
            store.resolve(ref)


def test_what_is_asked_for_by_a_wrong_id_is_not_found(store: Store) -> None:
    for ask in (store.run, store.prompt, store.job):
        with pytest.raises(NotFound):
            ask("rs_nothing")
    with pytest.raises(NotFound):
        store.take_lease("jb_nothing", "me", seconds=1, now=at(0))


# -- lineage and files ---------------------------------------------------------------------------------------------


def test_a_file_is_found_by_its_content_where_it_was_made_and_where_it_was_used(store: Store) -> None:
    maker = stored_run(store)
    made = Artifact(name="video", role="result", remote="/w/out.mp4", sha256="d1")
    store.put_artifacts(maker.id, (made, Artifact(name="log", role="log", remote="/w/log", sha256="d2")))
    user = a_prompt(inputs=(InputRecord(slot="video", ref="@last", name="out.mp4", sha256="d1"),))
    store.add(user, None)
    assert store.artifact_by_digest("d1") == ((maker.id, made),)
    assert store.inputs_by_digest("d1") == (user,)
    assert store.artifact_by_digest("d3") == ()
    assert store.inputs_by_digest("d2") == ()


def test_a_run_knows_what_it_was_made_of_and_what_became_of_it(store: Store) -> None:
    first = stored_run(store)
    link = Link(parent_id=first.id, artifact="video", slot="video")
    second = stored_run(store, parents=(link,), created_at=at(1))
    again = stored_run(store, retry_of=first.id, created_at=at(2))
    assert store.run(second.id).parents == (link,)
    assert ids(store.children(first.id)) == [second.id, again.id]
    assert store.children(second.id) == ()


def test_one_output_may_be_used_twice_in_a_slot_for_many(store: Store) -> None:
    first = stored_run(store)
    frame = Link(parent_id=first.id, artifact="frame", slot="image")
    mask = Link(parent_id=first.id, artifact="mask", slot="image")
    second = stored_run(store, parents=(frame, mask, frame))
    assert store.run(second.id).parents == (frame, mask)
    assert ids(store.children(first.id)) == [second.id]


def test_a_files_digest_is_remembered_until_the_file_is_another(store: Store) -> None:
    seen = ("/a/street.mp4", 10, 1_700_000_000_000_000_001, 2**40)
    store.remember_digest(*seen, sha256="old", media=None)
    assert store.digest(*seen) == ("old", None)
    for changed in (("/a/street.mp4", 11, *seen[2:]), (*seen[:2], 5, seen[3]), (*seen[:3], 6), ("/b", *seen[1:])):
        assert store.digest(*changed) is None
    store.remember_digest(*changed[:1], *seen[1:], sha256="elsewhere", media=None)
    store.remember_digest(*seen[:2], 5, seen[3], sha256="new", media=None)
    assert store.digest(*seen) is None
    assert store.digest(*seen[:2], 5, seen[3]) == ("new", None)


@pytest.mark.parametrize("inode", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_file_may_have_any_inode_and_time_that_fit_64_bits(store: Store, inode: int) -> None:
    seen = ("/fuse/street.mp4", 10, 2**63 + 1, inode)
    store.remember_digest(*seen, sha256="d", media=None)
    assert store.digest(*seen) == ("d", None)
    assert store.digest(*seen[:3], inode - 1) is None


def test_a_name_that_is_not_utf8_is_refused_in_words(store: Store) -> None:
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        store.remember_digest("/a/caf\udce9.mp4", 1, 1, 1, sha256="d", media=None)
    assert "rename" in caught.value.hint
    with pytest.raises(UsageError, match="not UTF-8"):
        store.add(a_prompt(parameters={"negative_prompt": "caf\udce9"}), None)
    assert store.prompts().total == 0
