"""Extensions that the configuration requires, and toolkits that two packages share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from cosmos_core import Config, Cosmos, PluginError
from cosmos_core.models import Models

RULES = """
from cosmos_core import hookimpl

@hookimpl
def validate_inputs(request): return ()

rules = __import__("sys").modules[__name__]
"""


def test_without_a_required_extension_no_model_is_given_out(install: Any, plain_source: str) -> None:
    install("fine-one", plain_source, models={"fine": "plain"})
    install("house-rules", RULES, extensions={"rules": "rules"})
    with pytest.raises(PluginError, match="names 'rule', and no such extension is installed: nothing runs") as caught:
        Models(required=["rule"])["fine"]
    assert "did you mean 'rules'?" in caught.value.hint
    assert Models(required=["rules"])["fine"].info.title == "Plain"
    row = next(row for row in Models(required=["rule"]).report() if row.name == "rule")
    assert (row.kind, row.status, row.error) == ("extension", "missing", caught.value.message)


@pytest.mark.parametrize(
    "source",
    [
        "raise OSError('policy server is away')",
        RULES.replace(
            "@hookimpl\ndef validate_inputs(request): return ()", "@hookimpl(wrapper=True)\ndef describe(): yield"
        ),
    ],
    ids=["at its import", "when a model is loaded"],
)
def test_a_required_extension_that_breaks_refuses_and_is_not_left_out(
    install: Any, plain_source: str, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    install("fine-one", plain_source, models={"fine": "plain"})
    install("house-rules", source, extensions={"rules": "rules"})
    with caplog.at_level(logging.WARNING), pytest.raises(PluginError) as caught:
        Models(required=["rules"])["fine"]
    assert "the extension 'rules' (house-rules 1.0)" in caught.value.message
    assert "required_extensions names it: nothing runs" in caught.value.message
    assert "it is left out" not in caplog.text
    assert {row.name: row.status for row in Models(required=["rules"]).report()}["fine"] == "ok"


def test_the_configuration_says_which_extensions_are_required(tmp_path: Path) -> None:
    file = tmp_path / "cosmos.toml"
    file.write_text('required_extensions = ["rules"]')
    assert Config.load(file).required_extensions == ("rules",)
    with Cosmos(file) as cosmos, pytest.raises(PluginError, match="required_extensions names 'rules'"):
        cosmos.create_prompt("transfer", "rain")
    assert not (tmp_path / "cosmos.db").exists()


SETTINGS = """
@frozen(kw_only=True)
class Settings:
    url: str = "http://localhost"

class Sharing(Plain):
    @hookimpl
    def describe(self):
        return ModelInfo(title="Sharing", toolkits=(Toolkit(name="plain", settings=Settings),))

sharing = Sharing()
"""


def test_two_packages_that_mean_different_things_by_one_toolkit_are_told_of(install: Any, plain_source: str) -> None:
    install("first-one", plain_source, models={"first": "plain"})
    install("same-one", plain_source, models={"same": "plain"})
    assert {row.status for row in Models().report() if row.name in ("first", "same")} == {"ok"}
    install("other-one", plain_source + SETTINGS, models={"other": "sharing"})
    rows = {row.name: row for row in Models().report()}
    assert [rows[name].status for name in ("first", "same", "other")] == ["clash"] * 3
    assert rows["other"].error == (
        "the model plugin 'other' (other-one 1.0) and the model plugin 'first' (first-one 1.0) "
        "both have a toolkit plain, and declare it differently"
    )
