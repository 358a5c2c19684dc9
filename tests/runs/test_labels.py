"""Which names and tags a run takes over from what it is made from, and where it goes."""

from __future__ import annotations

import pytest
from run_life import Home

from cosmos_core import Filter, Refused, Wish


def test_a_name_means_one_run_and_a_tag_all_that_came_of_it(home: Home) -> None:
    cosmos = home.cosmos()
    first = home.store_run(cosmos, name="rain", tags=("sh010",))
    other_seed = cosmos.store_run(Wish(source=first.id, parameters={"seed": 2}))
    other_text = cosmos.store_run(Wish(source=first.id, text="snow"))
    assert (other_seed.name, other_text.name) == ("", "")
    assert cosmos.resolve("rain") == first.id
    tagged = cosmos.list_runs(Filter(tag="sh010")).items
    assert {run.id for run in tagged} == {first.id, other_seed.id, other_text.id}


@pytest.mark.parametrize("name", ["@last", "@home", "rs_abc", "ps_1"])
def test_a_name_that_would_be_taken_for_an_id_is_refused(home: Home, name: str) -> None:
    cosmos = home.cosmos()
    with pytest.raises(Refused, match="would be taken for an id"):
        cosmos.create_prompt("transfer", "rain", inputs={"video": home.clip}, name=name)


def test_a_simulated_run_made_again_says_that_it_stays_simulated(home: Home) -> None:
    first = home.store_run()
    home.configure('[targets.lab]\nhost = "lab.invalid"\nwork_dir = "/w"\n')
    again = home.cosmos().store_run(Wish(source=first.id))
    assert again.simulated
    assert any("stays on simulator" in words and "--target lab" in words for words in again.warnings)
    asked = home.cosmos().store_run(Wish(source=first.id, target="simulator"))
    assert not any("stays on" in words for words in asked.warnings)
