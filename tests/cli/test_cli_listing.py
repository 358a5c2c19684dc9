"""Lists: filters, pages, columns, ids."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def many(used):
    """Three prompts and four runs, one of them completed."""
    ids = [
        used.json("create", "prompt", "--model", "transfer", text, "--video", "street.mp4", "--weights.edge", "1")["id"]
        for text in ("one", "two")
    ]
    for tag in ("x", "y", "y"):
        used.json("create", "run", ids[0], "--tag", tag)
    return used


def test_newest_first_in_pages(many):
    first = many.json("list", "runs", "--limit", "3")
    rest = many.json("list", "runs", "--limit", "3", "--after", first["next"])

    items = first["items"] + rest["items"]
    assert (first["total"], first["limit"], len(items)) == (4, 3, 4)
    assert rest["next"] is None
    assert [i["created_at"] for i in items] == sorted((i["created_at"] for i in items), reverse=True)
    assert items[-1]["status"] == "completed"
    assert f"--after {first['items'][-1]['id']}" in many("list", "runs", "--limit", "3").err


def test_the_next_page_is_asked_for_by_the_last_id(many):
    first = many.json("list", "runs", "--limit", "3")

    rest = many.json("list", "runs", "--after", first["items"][-1]["id"])
    assert rest["items"] == many.json("list", "runs", "--after", first["next"])["items"]
    assert many.json("list", "prompts", "--after", many.json("list", "prompts")["items"][0]["id"])["items"]
    assert many("list", "runs", "--after", "rs_nosuchrun").code == 5


def test_habitual_words_mean_our_own(many):
    assert many("ls", "-q").out == many("list", "runs", "-q").out
    assert many("ls", "prompts", "-q").out == many("list", "prompts", "-q").out
    assert many("ps", "-q").out == many("list", "runs", "--status", "pending", "-q").out
    assert many("runs", "-q").out == many("list", "-q").out == many("list", "runs", "-q").out
    assert many("prompts", "-q").out == many("list", "prompts", "-q").out
    assert many("help").out == many("--help").out
    assert many("help", "create", "run").out == many("create", "run", "--help").out
    assert many("version").out == many("--version").out
    told = many("rm", "@last")
    assert (told.code, "cosmos delete" in told.err) == (2, True)


def test_a_stray_word_wants_quotes_only_where_a_text_is_taken(many):
    assert "quotes" in many("run", "--model", "transfer", "rain", "at", "night").err
    assert "quotes" not in many("list", "runs", "stray").err
    torn = many("run", "--model", "transfer", "rain", "--set", "num_steps", "20").err
    assert "--set num_steps=20" in torn
    assert "quotes" not in torn


def test_a_pattern_that_the_shell_expanded_is_to_be_quoted(cosmos):
    for number in (1, 2, 3):
        (cosmos.cwd / f"d.{number}.png").touch()
    told = cosmos("run", "--model", "transfer", "rain", "--video", "d.1.png", "d.2.png", "d.3.png")
    assert (told.code, "quote it: 'd.*.png'" in told.err) == (2, True)


@pytest.mark.parametrize("verb", ["retry", "inference"])
def test_settings_of_a_stored_run_are_changed_by_a_new_run(many, verb):
    told = many(verb, "@last", "--num-steps", "20")
    assert (told.code, "`cosmos run --from ID --num-steps ...`" in told.err) == (2, True)
    told = many(verb, "@last", "--nmu-steps", "20")
    assert (told.code, "there is no option --nmu-steps" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ((), 4),
        (("--status", "completed"), 1),
        (("--status", "failed"), 0),
        (("--tag", "y"), 2),
        (("--tag", "wet"), 1),
        (("--model", "transfer"), 4),
        (("--target", "simulator", "--status", "pending"), 3),
        (("--since", "2d"), 4),
        (("--since", "yesterday"), 4),
        (("--until", "yesterday"), 0),
        (("--status", "unfinished"), 3),
        (("--since", "2001-01-01", "--until", "2001-01-02T00:00:00Z"), 0),
        (("--until", "1h"), 0),
    ],
)
def test_filters(many, filters, count):
    assert many.json("list", "runs", *filters)["total"] == count
    assert len(many("list", "runs", "-q", *filters).out.split()) == count


def test_runs_of_one_prompt_by_a_prefix(many):
    prompt = many.json("list", "runs", "--status", "completed")["items"][0]["prompt_id"]

    assert many.json("list", "runs", "--prompt", prompt[:9])["total"] == 1
    assert many("list", "prompts", "--prompt", prompt).code == 2


def test_columns_are_chosen(many):
    told = many("list", "runs", "--columns", "status,id,text,prompt", "--limit", "1").out.splitlines()

    assert told[0].split() == ["STATUS", "ID", "TEXT", "PROMPT"]
    assert told[1].split()[0] == "pending"
    assert many("list", "runs", "--columns", "id", "-q").code == 2


def test_an_empty_list_says_what_to_do(cosmos):
    told = cosmos("list", "runs")

    assert (told.code, told.out) == (0, "")
    assert "cosmos demo" in told.err
    assert cosmos.json("list", "runs") == {"items": [], "total": 0, "limit": 50, "next": None}
