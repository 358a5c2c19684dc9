"""A plugin that does not keep the contract breaks only itself, and says where and how."""

from __future__ import annotations

import logging
import re
import sys
from textwrap import dedent, indent
from typing import Any

import pytest

from cosmos_core import PluginError
from cosmos_core.models import Model, Models
from cosmos_core.models.metadata import EntryPoint


def a_model(hook: str) -> str:
    """The source of a minimal plugin whose class has one more method, or another."""
    return "{plain}\nclass Broken(Plain):\n" + indent(dedent(hook), "    ") + "\nbroken = Broken()"


def an_extension(hook: str) -> str:
    """The source of an extension with one method."""
    return "from cosmos_core import hookimpl\nclass E:\n" + indent(dedent(hook), "    ") + "\nrules = E()"


BROKEN = {
    "raises on import": (
        "def helper():\n    raise RuntimeError('no GPU here')\nhelper()",
        "failed to load broken_one:broken: RuntimeError: no GPU here .*broken_one.py:2",
    ),
    "exits on import": ("import sys\nsys.exit('bye')", "SystemExit: bye"),
    "is no Python": ("def (", "SyntaxError: .*broken_one.py:1"),
    "lacks what the entry point names": ("other = 1", "AttributeError: .*broken"),
    "is a class": ("{plain}\nbroken = Plain", "registers the class Plain, not an instance of it"),
    "is nothing": ("broken = None", "lacks describe, convert_inputs, choose_script"),
    "lacks a required hook": (a_model("choose_script = None"), "lacks choose_script"),
    "has an unmarked hook": (
        a_model("def convert_inputs(self, job): return Bundle()"),
        "has convert_inputs without @hookimpl: nobody would call it",
    ),
    "has optional hooks that are not marked": (
        a_model("def validate_inputs(self, request): ...\ndef parse_outputs(self, job, result): ..."),
        "has validate_inputs, parse_outputs without @hookimpl: nobody would call them",
    ),
    "joins a toolkit that lacks a hook": (
        "import cosmos_core as c\nclass one: TOOLKIT = c.Toolkit(name='one')\nbroken = c.by_toolkit('One', one)",
        "failed to load broken_one:broken: TypeError: by_toolkit: one lacks convert_inputs, choose_script",
    ),
    "wraps in pluggy's old way": (
        a_model("@hookimpl(hookwrapper=True)\ndef parse_outputs(self, job): yield"),
        "wraps parse_outputs with hookwrapper=True",
    ),
    "gives a field that this version lacks": (
        a_model("@hookimpl\ndef describe(self): return ModelInfo(title='x', toolkits=(), price=3)"),
        "TypeError: ModelInfo.__init__.. got an unexpected keyword argument 'price'",
    ),
    "asks for what this version lacks": (
        "from cosmos_core import Estimate\nbroken = 1",
        "ImportError: cannot import name 'Estimate' from 'cosmos_core'",
    ),
    "misspells a hook": (
        a_model("@hookimpl\ndef parse_output(self, job, result): ..."),
        "has a hook that does not exist: parse_output",
    ),
    "misspells an argument": (
        a_model("@hookimpl\ndef convert_inputs(self, jobs): ..."),
        r"convert_inputs.*Argument\(s\) {'jobs'}",
    ),
    "describes itself as a dict": (
        a_model("@hookimpl\ndef describe(self): return {'title': 'x'}"),
        "breaks the contract in describe: answered a dict, not a ModelInfo",
    ),
    "describes itself as nothing": (
        a_model("@hookimpl\ndef describe(self): pass"),
        "breaks the contract in describe: answered None, not a ModelInfo",
    ),
    "raises in describe": (
        a_model("@hookimpl\ndef describe(self): return 1 / 0"),
        "failed in describe: ZeroDivisionError: division by zero .*broken_one.py:",
    ),
    "is made for a newer contract": (
        a_model("@hookimpl\ndef describe(self): return ModelInfo(title='x', toolkits=(), contract=2)"),
        "was made for contract 2; this version understands up to 1",
    ),
}
"""Every way not to load: source of the package, what the error says."""

DESCRIPTIONS = {
    "()": "names no toolkit",
    "[Toolkit(name='a')]": "names no toolkit: `toolkits` has to be a tuple",
    "(Toolkit(name='a'), Toolkit(name='a'))": "names toolkit a twice",
    "('a',)": "gives a str as a toolkit",
    "(Toolkit(name='a', parameters=dict),)": "parameters: <class 'dict'> is not an attrs class",
    "(Toolkit(name='a', settings=Needy),)": "toolkit a: settings: Needy.key has no default",
    "(Toolkit(name='a', parameters=Odd),)": "Odd.key has a type that cannot be read: <class 'object'>",
    "(Toolkit(name='a', inputs=(InputSlot(name='My Video'),)),)": "'My Video' is no name for an input",
    "(Toolkit(name='a', inputs=(InputSlot(name='v', kinds=('film',)),)),)": "input v takes ('film',)",
    "(Toolkit(name='a', inputs=(InputSlot(name='v'), InputSlot(name='v'))),)": "toolkit a: input v twice",
    "(Toolkit(name='a', inputs=(InputSlot(name='output'),)),)": (
        "toolkit a: the input output would be --output, an option of cosmos's own; rename it"
    ),
    "(Toolkit(name='a', inputs=(InputSlot(name='dry_run'),)),)": "the input dry_run would be --dry-run",
    "(Toolkit(name='a', parameters=Shadowed),)": "the parameter timeout would be --timeout",
    "(Toolkit(name='a', inputs=(InputSlot(name='key'),), parameters=Fine),)": (
        "the input key (toolkit a) and the parameter key (toolkit a) would be the same option; rename one"
    ),
    "(Toolkit(name='a', inputs=(InputSlot(name='key'),)), Toolkit(name='b', parameters=Fine))": (
        "the input key (toolkit a) and the parameter key (toolkit b)"
    ),
    "(Toolkit(name='a', inputs=(InputSlot(name='deep.*'),), parameters=Nested),)": (
        "the input deep.* (toolkit a) and the parameter deep.key (toolkit a)"
    ),
    "(Toolkit(name='a', settings=Place),)": "the setting repo would be a key of [targets.NAME.toolkits.NAME]",
    "(Toolkit(name='a', parameters=made(int, 0, ge=1)),)": "the default of key must be at least 1, not 0",
    "(Toolkit(name='a', parameters=made(int, None)),)": "the default of key wants a whole number, not none",
    "(Toolkit(name='a', parameters=made(int, '35')),)": "the default of key, '35', is a str, not INTEGER",
    "(Toolkit(name='a', parameters=made(str, 'x', choices=('a', 'b'))),)": "the default of key must be one of a, b",
    "(Toolkit(name='a', settings=made(tuple[int, ...], [1])),)": "the default of key, [1], is a list, not INTEGER,",
    "(Toolkit(name='a', parameters=made(int, 1, ge=5, le=1)),)": "key has the range 5..1, which holds nothing",
    "(Toolkit(name='a', parameters=Deep),)": "the default of deep.key must be at most 3, not 9",
    "(Toolkit(name='a', stand_in='module.py'),)": 'has to look like "package:module"',
}
"""Toolkits that make no sense, and what the error says."""


def the_model(install: Any, source: str, plain: str) -> Model:
    install("broken-one", source.replace("{plain}", plain), models={"broken": "broken"})
    install("fine-one", plain, models={"fine": "plain"})
    return Models()["broken"]


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_plugin_is_named_and_breaks_only_itself(install: Any, plain_source: str, way: str) -> None:
    source, words = BROKEN[way]
    with pytest.raises(PluginError, match=words) as caught:
        the_model(install, source, plain_source)
    assert "the model plugin 'broken' (broken-one 1.0)" in caught.value.message
    assert caught.value.exit_code == 2
    models = Models()
    assert models["fine"].info.title == "Plain"
    rows = {row.name: row for row in models.report()}
    assert rows["fine"].status == "ok"
    assert rows["broken"].status == "broken"
    assert (rows["broken"].error, rows["broken"].hint) == (caught.value.message, caught.value.hint)
    assert (rows["broken"].package, rows["broken"].version, rows["broken"].module) == (
        "broken-one",
        "1.0",
        "broken_one",
    )


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_a_description_that_makes_no_sense_is_refused(install: Any, plain_source: str, description: str) -> None:
    classes = """
        from cosmos_core import parameter

        @frozen(kw_only=True)
        class Needy:
            key: int = parameter()

        @frozen(kw_only=True)
        class Shadowed:
            timeout: int = parameter(5)

        @frozen(kw_only=True)
        class Fine:
            key: int = parameter(1, le=3)

        @frozen(kw_only=True)
        class Nested:
            deep: Fine = parameter(Fine())

        @frozen(kw_only=True)
        class Deep:
            deep: Fine = parameter(Fine(key=9))

        @frozen(kw_only=True)
        class Place:
            repo: str = parameter("")

        def made(kind, default, **about):
            fields = {"__annotations__": {"key": kind}, "key": parameter(default, **about)}
            return frozen(kw_only=True)(type("Made", (), fields))

        @frozen(kw_only=True)
        class Odd:
            key: object = parameter(None)
        """
    hook = f"@hookimpl\ndef describe(self): return ModelInfo(title='x', toolkits={description})"
    source = a_model(hook).replace("{plain}", "{plain}" + dedent(classes))
    with pytest.raises(PluginError) as caught:
        the_model(install, source, plain_source)
    assert DESCRIPTIONS[description] in caught.value.message


def test_remedies_fit_the_fault(install: Any, plain_source: str) -> None:
    with pytest.raises(PluginError) as caught:
        the_model(install, BROKEN["misspells a hook"][0], plain_source)
    assert "did you mean 'parse_outputs'?" in caught.value.hint


def test_a_class_is_told_to_be_instantiated(install: Any, plain_source: str) -> None:
    with pytest.raises(PluginError) as caught:
        the_model(install, BROKEN["is a class"][0], plain_source)
    assert "Plain()" in caught.value.hint


def test_unmarked_functions_are_pointed_out(install: Any, plain_source: str) -> None:
    with pytest.raises(PluginError) as caught:
        the_model(install, BROKEN["has an unmarked hook"][0], plain_source)
    assert caught.value.hint == "convert_inputs: mark with @hookimpl (from cosmos_core), or give another name"


def test_other_failures_say_how_to_get_rid_of_the_package(install: Any, plain_source: str) -> None:
    with pytest.raises(PluginError) as caught:
        the_model(install, BROKEN["raises on import"][0], plain_source)
    assert "pip install --upgrade broken-one" in caught.value.hint
    assert "pip uninstall broken-one" in caught.value.hint


def test_the_author_of_an_editable_install_is_told_the_line(install: Any) -> None:
    install("my-own", "x = 1\nraise KeyError('x')", models={"mine": "mine"}, editable=True)
    with pytest.raises(PluginError) as caught:
        Models()["mine"]
    assert re.fullmatch(r"it is installed from your own folder: correct .*my_own.py:2", caught.value.hint)


UPGRADE_US = "pip install --upgrade cosmos-runner"
OTHER_CORES = [
    ("cosmos-runner>=9.1", UPGRADE_US),
    ("Cosmos_Runner (>=9.1,<10)", UPGRADE_US),
    ("cosmos-runner[postgresql]~=9.0", UPGRADE_US),
    ('cosmos-runner>9; python_version >= "3.0"', UPGRADE_US),
    ("cosmos-runner<0.1", "pip install --upgrade far-ahead"),
]


@pytest.mark.parametrize(("requires", "remedy"), OTHER_CORES)
def test_a_plugin_for_another_version_says_who_is_to_be_upgraded_before_it_is_imported(
    install: Any, requires: str, remedy: str
) -> None:
    install("far-ahead", "raise SystemExit('imported')", models={"far": "far"}, requires=requires)
    with pytest.raises(PluginError, match=r"\(far-ahead 1.0\) wants cosmos-runner .*, and this is ") as caught:
        Models()["far"]
    assert remedy in caught.value.hint
    assert "far_ahead" not in sys.modules


@pytest.mark.parametrize(
    "requires",
    [
        "cosmos-runner",
        "cosmos-runner>=0.1",
        "cosmos-runner-extras>=9",
        'cosmos-runner>=9; extra == "next"',
        'cosmos-runner>=9; python_version < "3"',
        "cosmos-runner>=so.new",
    ],
)
def test_what_else_a_package_requires_keeps_nobody_out(install: Any, plain_source: str, requires: str) -> None:
    install("fine-one", plain_source, models={"fine": "plain"}, requires=requires)
    assert Models()["fine"].info.title == "Plain"


NEWER = [
    "asks for what this version lacks",
    "gives a field that this version lacks",
    "is made for a newer contract",
]


@pytest.mark.parametrize("way", NEWER)
def test_what_only_a_newer_version_has_is_told_as_such(install: Any, plain_source: str, way: str) -> None:
    with pytest.raises(PluginError) as caught:
        the_model(install, BROKEN[way][0], plain_source)
    assert UPGRADE_US in caught.value.hint


def test_the_users_own_interrupt_passes(install: Any, plain_source: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        the_model(install, "raise KeyboardInterrupt", plain_source)


def test_a_hook_of_a_newer_core_may_be_optional(install: Any, plain_source: str) -> None:
    source = a_model("@hookimpl(optionalhook=True)\ndef estimate_cost(self, job): ...")
    model = the_model(install, source, plain_source)
    assert model.hooks == ("describe", "convert_inputs", "choose_script")


def test_a_module_is_a_plugin_too(install: Any) -> None:
    install(
        "module-one",
        """
        from cosmos_core import Bundle, Command, ModelInfo, Toolkit, hookimpl

        @hookimpl
        def describe():
            return ModelInfo(title="A module", toolkits=(Toolkit(name="one"),))

        @hookimpl
        def convert_inputs(job):
            return Bundle()

        @hookimpl
        def choose_script(job, bundle):
            return Command(argv=("true",))
        """,
    )
    assert Models([EntryPoint("module", "module_one", "cosmos.models")])["module"].info.title == "A module"


EXTENSIONS = {
    "raises on import": ("raise OSError('gone')", "OSError: gone"),
    "takes the place of a model": (
        an_extension("@hookimpl\ndef choose_script(self, job, bundle): ..."),
        "implements choose_script plainly, which would silently take the place of every model's own",
    ),
    "misspells a hook": (
        an_extension("@hookimpl\ndef validate(self, request): ..."),
        "has a hook that does not exist: validate",
    ),
    "is no wrapper after all": (
        an_extension("@hookimpl(wrapper=True)\ndef describe(self): return 1"),
        "is not a generator function",
    ),
    "raises when a model is loaded": (
        an_extension("@hookimpl(wrapper=True)\ndef describe(self): return (yield).no_such_thing"),
        "failed in describe: AttributeError",
    ),
    "forgets to return": (
        an_extension("@hookimpl(wrapper=True)\ndef describe(self): yield"),
        "breaks the contract in describe: answered None, not a ModelInfo",
    ),
    "yields twice": (
        an_extension("@hookimpl(wrapper=True)\ndef describe(self):\n    yield\n    yield"),
        "breaks the contract in describe: yields twice",
    ),
    "is cancelled": ("import asyncio\nraise asyncio.CancelledError", "CancelledError"),
    "ends the program": ("import os\nos._exit(0)", "tried to end the whole program to load house_rules:rules"),
}
"""Every way for an extension to break while models load: its source, what the report says."""


@pytest.mark.parametrize("way", EXTENSIONS)
def test_a_broken_extension_is_left_out_and_no_model_goes_with_it(
    install: Any, plain_source: str, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    source, words = EXTENSIONS[way]
    install("fine-one", plain_source, models={"fine": "plain"})
    install("house-rules", source, extensions={"rules": "rules"})
    models = Models()
    with caplog.at_level(logging.WARNING):
        assert models["fine"].info.title == "Plain"
    assert "the extension 'rules' (house-rules 1.0)" in caplog.text
    assert "it is left out" in caplog.text
    rows = {row.name: row for row in models.report()}
    assert (rows["fine"].status, rows["rules"].status, rows["rules"].kind) == ("ok", "broken", "extension")
    assert words in rows["rules"].error


def test_the_report_tells_what_each_plugin_has(install: Any, plain_source: str) -> None:
    install("fine-one", plain_source, models={"fine": "plain"})
    source = an_extension("@hookimpl\ndef validate_inputs(self, request): return ()")
    install("house-rules", source, extensions={"rules": "rules"})
    rows = {row.name: row for row in Models().report()}
    assert rows["fine"].hooks == ("describe", "convert_inputs", "choose_script")
    assert rows["rules"].hooks == ("validate_inputs",)
