"""Plugins are found by metadata alone, and looking costs no import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cosmos_core import PluginError, UnknownName
from cosmos_core.models import Models, find_plugins
from cosmos_core.models.metadata import EntryPoint

HEAVY = ("pluggy", "attr", "attrs", "cattrs", "sqlalchemy", "av", "rich", "paramiko", "email.parser")


def test_finding_and_listing_imports_no_plugin_and_nothing_heavy(install) -> None:  # type: ignore[no-untyped-def]
    install("far-away", "raise SystemExit('imported')", models={"far": "x"}, extensions={"rules": "y"})
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from cosmos_core.models import Models, find_plugins
models = Models()
assert "far" in list(models) and "far" in models and len(models) >= 1
row = next(one for one in find_plugins() if one.name == "far")
assert (row.kind, row.package, row.version) == ("model", "far-away", "1.0"), row
print([name for name in {HEAVY!r} if name in sys.modules] + [m for m in sys.modules if m == "far_away"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_package_name_and_version_come_from_the_metadata(install) -> None:  # type: ignore[no-untyped-def]
    install("My-Fine.Plugin".replace(".", "-"), "", models={"fine": "x"}, version="2.3.1")
    found = {one.name: one for one in find_plugins()}
    assert (found["fine"].package, found["fine"].version) == ("My-Fine-Plugin", "2.3.1")
    assert found["fine"].title == "the model plugin 'fine' (My-Fine-Plugin 2.3.1)"


def test_a_name_that_two_packages_claim_is_refused_with_both(install, plain_source: str) -> None:  # type: ignore[no-untyped-def]
    install("first-package", plain_source, models={"twin": "plain"})
    install("second-package", plain_source, models={"twin": "plain", "single": "plain"})
    models = Models()
    with pytest.raises(PluginError, match="2 packages register the model 'twin': first-package, second-package") as e:
        models["twin"]
    assert "pip uninstall" in e.value.hint
    assert models["single"].package == "second-package"
    broken = [row for row in models.report() if row.name == "twin"]
    assert [(row.package, row.status) for row in broken] == [
        ("first-package", "broken"),
        ("second-package", "broken"),
    ]


def test_an_unknown_model_names_the_nearest_and_all() -> None:
    entries = [EntryPoint(name, "nowhere:x", "cosmos.models") for name in ("transfer", "predict")]
    with pytest.raises(UnknownName, match="there is no model 'transfr'") as caught:
        Models(entries)["transfr"]
    assert caught.value.hint.startswith("did you mean 'transfer'? installed: predict, transfer")


def test_without_any_plugin_it_says_so() -> None:
    with pytest.raises(UnknownName) as caught:
        Models([])["transfer"]
    assert "installed: none" in caught.value.hint
    assert list(Models([])) == []


def test_a_model_is_loaded_once_and_only_when_it_is_wanted(install, plain_source: str) -> None:  # type: ignore[no-untyped-def]
    install("lazy-one", plain_source, models={"lazy": "plain"})
    install("other-one", "raise RuntimeError('imported')", models={"other": "plain"})
    models = Models()
    assert "lazy_one" not in sys.modules
    assert models["lazy"] is models["lazy"]
    assert "other_one" not in sys.modules
