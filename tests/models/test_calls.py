"""Asking a model: raw and typed calls give one answer, wrong answers and failures name who is to blame."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from pluggy import HookCallError

from cosmos_core import (
    Bundle,
    Command,
    Input,
    Job,
    Outputs,
    PluginError,
    Problem,
    Progress,
    Request,
    Result,
    UnknownName,
)
from cosmos_core.models import Model, Models
from cosmos_core.values import Failure

Load = Callable[..., Model]

VIDEO = Input(slot="video", name="street.mp4")
REQUEST: Request[Any] = Request(id="rs_1", model="plain", toolkit="plain", inputs=(VIDEO,))
JOB = Job.of(REQUEST)
WARNING = 'Problem(field="text", message="not used", hint="leave it out", code="not_used", severity="warning")'


@pytest.fixture
def load(install: Any, plain_source: str) -> Load:
    """`load(hook, *extensions)`: a model whose class has these methods, with one package for each extension."""

    def load(hooks: str = "", *extensions: str) -> Model:
        body = indent(dedent(hooks), "    ") or "    pass"
        install(
            "plain-one",
            f"{plain_source}\nclass More(Plain):\n{body}\nmore = More()",
            models={"plain": "more"},
        )
        for number, extension in enumerate(extensions, 1):
            source = "from cosmos_core import hookimpl, Problem\nimport attrs\nclass E:\n"
            source += indent(dedent(extension), "    ") + "\nrules = E()"
            install(f"rules-{number}", source, extensions={"rules": "rules"})
        return Models()["plain"]

    return load


def result_in(folder: Path, *, exit_code: int | None = 0, **files: int) -> Result:
    return Result(files=files, folder=folder, log=folder / "run.log", exit_code=exit_code)


def test_raw_and_typed_calls_give_the_same_answer(load: Load, tmp_path: Path) -> None:
    model = load(
        f"""
        @hookimpl
        def validate_inputs(self, request):
            yield {WARNING}

        @hookimpl
        def convert_inputs(self, job):
            return Bundle(files=(FileToWrite(path="spec.json", content=b"x"),), batch_key=job.dir)

        @hookimpl
        def parse_outputs(self, job, result):
            return Outputs(text=result.text())

        @hookimpl
        def read_spec(self, path):
            return [Draft(text=path.name)] if path.suffix == ".json" else None
        """,
        f"""
        @hookimpl
        def validate_inputs(self, request):
            return [{WARNING}]

        @hookimpl(wrapper=True)
        def choose_script(self):
            command = yield
            return attrs.evolve(command, env={{"WRAPPED": "1"}})
        """,
    )
    hook = model.pm.hook
    result = result_in(tmp_path)
    bundle = model.convert_inputs(JOB)
    assert bundle.batch_key == "/job"
    pairs = [
        (model.describe(), hook.describe()),
        (model.validate_inputs(REQUEST), hook.validate_inputs(request=REQUEST)),
        (bundle, hook.convert_inputs(job=JOB)),
        (model.choose_script(job=JOB, bundle=bundle), hook.choose_script(job=JOB, bundle=bundle)),
        (model.parse_outputs(JOB, result), hook.parse_outputs(job=JOB, result=result)),
        (model.read_spec(Path("a.json")), hook.read_spec(path=Path("a.json"))),
        (model.read_spec(Path("a.txt")), hook.read_spec(path=Path("a.txt"))),
    ]
    for typed, raw in pairs:
        assert typed == raw
        assert type(typed) is type(raw)
    problems = model.validate_inputs(request=REQUEST)
    assert isinstance(problems, tuple)
    assert [p.code for p in problems] == ["not_used", "not_used"]
    assert model.choose_script(JOB, bundle).env == {"WRAPPED": "1"}
    assert model.read_spec(Path("a.txt")) is None


def test_defaults_are_filled_in_for_hooks_that_a_plugin_leaves_out(load: Load, tmp_path: Path) -> None:
    model = load()
    assert model.validate_inputs(REQUEST) == ()
    assert model.parse_outputs(JOB, result_in(tmp_path)) == (Outputs(),)
    assert model.read_spec(tmp_path) is None
    assert model.follow_progress(JOB)("40%|####  | 14/35") is None
    two = Job.of(REQUEST, REQUEST)
    assert model.pm.hook.parse_outputs(job=two, result=result_in(tmp_path)) == (Outputs(), Outputs())


def test_an_extension_that_wraps_sees_one_shape_and_the_defaults(load: Load, tmp_path: Path) -> None:
    wrapper = """
        seen = []

        @hookimpl(wrapper=True)
        def validate_inputs(self, request):
            problems = yield
            self.seen.append(problems)
            return (*problems, *problems)

        @hookimpl(wrapper=True)
        def parse_outputs(self, job, result):
            outputs = yield
            self.seen.append(outputs)
            return outputs

        @hookimpl(wrapper=True)
        def follow_progress(self, job):
            reader = yield
            self.seen.append(callable(reader))
            return reader
        """
    model = load(f"@hookimpl\ndef validate_inputs(self, request): return [{WARNING}]", wrapper)
    assert len(model.validate_inputs(REQUEST)) == 2
    model.parse_outputs(JOB, result_in(tmp_path))
    model.follow_progress(JOB)
    from rules_1 import E  # type: ignore[import-not-found]

    assert [len(E.seen[0]), E.seen[1], E.seen[2]] == [1, (Outputs(),), True]


WRONG_ANSWERS = [
    ("validate_inputs(self, request)", "'text'", "answered a str, not a list of Problems"),
    ("validate_inputs(self, request)", "['text']", "answered a str among its problems"),
    ("validate_inputs(self, request)", "5", "answered an int, not a list of Problems"),
    (
        "validate_inputs(self, request)",
        "[Problem(field='a', message='b', hint='', code='c', severity='fatal')]",
        "severity 'fatal'",
    ),
    ("convert_inputs(self, job)", "None", "answered None, not a Bundle"),
    ("convert_inputs(self, job)", "{'files': ()}", "answered a dict, not a Bundle"),
    ("convert_inputs(self, job)", "bundle('/etc/passwd')", "would write '/etc/passwd'"),
    ("convert_inputs(self, job)", "bundle('a/../../b')", "inside the job's folder"),
    ("convert_inputs(self, job)", "bundle('a//b')", "inside the job's folder"),
    ("convert_inputs(self, job)", "bundle('')", "which is not a path"),
    ("convert_inputs(self, job)", "bundle('job.sh')", "would write 'job.sh', which belongs to the core"),
    ("convert_inputs(self, job)", "bundle('outputs/old.mp4')", "belongs to the core"),
    ("convert_inputs(self, job)", "bundle('spec.json', 'spec.json')", "would write 'spec.json' twice"),
    ("convert_inputs(self, job)", "Bundle(files=(FileToWrite(path='a', content='text'),))", "with bytes"),
    (
        "convert_inputs(self, job)",
        "Bundle(places=(Place(input=Input(slot='v', name='other.mp4'), to='inputs/v.mp4'),))",
        "places an input that is not of this job",
    ),
    (
        "convert_inputs(self, job)",
        "Bundle(places=(Place(input=job.requests[0].inputs[0], to='../v.mp4'),))",
        "would write '../v.mp4'",
    ),
    ("convert_inputs(self, job)", "fetch(pattern='/a.mp4')", "would fetch '/a.mp4'"),
    (
        "convert_inputs(self, job)",
        "fetch(role='video')",
        "as 'video', which is none of result, control, log, data",
    ),
    ("convert_inputs(self, job)", "fetch(request='rs_2')", "for 'rs_2', which is not a request of this job"),
    ("convert_inputs(self, job)", "Bundle(needs=('/models',))", "`needs` that are not pairs"),
    ("convert_inputs(self, job)", "Bundle(batch_key=('a', 'b'))", "a tuple as batch key"),
    ("choose_script(self, job, bundle)", "None", "answered None, not a Command"),
    ("choose_script(self, job, bundle)", "Command(argv='rm -rf /')", "gives a str as argv, not a tuple"),
    ("choose_script(self, job, bundle)", "Command(argv=('python', 35))", "as argv, not a tuple of arguments"),
    ("choose_script(self, job, bundle)", "Command(argv=())", "as argv"),
    ("choose_script(self, job, bundle)", "Command(argv=('a\\0b',))", "zero byte"),
    ("choose_script(self, job, bundle)", "Command(argv=('a',), env={'A': 1})", "not text by name"),
    ("choose_script(self, job, bundle)", "Command(argv=('a',), secrets='HF_TOKEN')", "not a tuple of names"),
    ("choose_script(self, job, bundle)", "Command(argv=('a',), resources=4)", "not Resources"),
    ("follow_progress(self, job)", "'reader'", "answered a str, not a function that reads lines"),
    ("parse_outputs(self, job, result)", "()", "answered 0 outputs for 1 requests"),
    ("parse_outputs(self, job, result)", "{'a': 1}", "answered a str, not Outputs"),
    ("parse_outputs(self, job, result)", "7", "answered an int, not a list of Outputs"),
    ("parse_outputs(self, job, result)", "Outputs(values={'path': object()})", "JSON cannot hold"),
    ("parse_outputs(self, job, result)", "Outputs(scores={'psnr': float('nan')})", "not a finite number"),
    (
        "validate_inputs(self, request)",
        "map(lambda n: Problem(field=str(n), message='b', hint='', code='c'), __import__('itertools').count())",
        "answered more than 1000 Problems; does it come to an end?",
    ),
    ("parse_outputs(self, job, result)", "iter(Outputs, 1)", "answered more than 1 Outputs"),
    ("read_spec(self, path)", "'text'", "answered a str, not a list of Drafts"),
    ("read_spec(self, path)", "[{}]", "answered a dict among its drafts"),
    ("read_spec(self, path)", "[Draft(inputs=('video',))]", "not pairs"),
]
HELPERS = """
def bundle(*paths): return Bundle(files=tuple(FileToWrite(path=p, content=b"") for p in paths))

def fetch(**about): return Bundle(fetch=(Fetch(**({"pattern": "*.mp4", "role": "result"} | about)),))
"""


def ask(model: Model, hook: str, tmp_path: Path) -> Any:
    arguments = {
        "validate_inputs": (REQUEST,),
        "convert_inputs": (JOB,),
        "choose_script": (JOB, Bundle()),
        "follow_progress": (JOB,),
        "parse_outputs": (JOB, result_in(tmp_path)),
        "read_spec": (tmp_path,),
    }
    return getattr(model, hook)(*arguments[hook])


@pytest.mark.parametrize(("signature", "answer", "words"), WRONG_ANSWERS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_wrong_answer_names_plugin_hook_and_fault(
    install: Any, plain_source: str, tmp_path: Path, signature: str, answer: str, words: str, wrapped: bool
) -> None:
    body = f"    @hookimpl\n    def {signature}: return {answer}"
    source = f"{plain_source}\n{HELPERS}\nclass More(Plain):\n{body}\nmore = More()"
    install("plain-one", source, models={"plain": "more"})
    hook = signature.partition("(")[0]
    if wrapped:  # an innocent bystander must not be blamed
        body = f"    @hookimpl(wrapper=True)\n    def {signature}: return (yield)"
        source = f"from cosmos_core import hookimpl\nclass E:\n{body}\nrules = E()"
        install("house-rules", source, extensions={"rules": "rules"})
    with pytest.raises(PluginError) as caught:
        ask(Models()["plain"], hook, tmp_path)
    assert f"the model plugin 'plain' (plain-one 1.0) breaks the contract in {hook}: " in caught.value.message
    assert words in caught.value.message
    assert "house-rules" not in caught.value.message


FORGETFUL = """
@hookimpl(wrapper=True)
def {signature}:
    yield
"""


@pytest.mark.parametrize(
    "signature",
    [
        "validate_inputs(self, request)",
        "convert_inputs(self, job)",
        "choose_script(self, job, bundle)",
        "follow_progress(self, job)",
        "parse_outputs(self, job, result)",
    ],
)
def test_a_wrapper_that_forgets_to_return_is_named(load: Load, tmp_path: Path, signature: str) -> None:
    model = load("", FORGETFUL.format(signature=signature))
    hook = signature.partition("(")[0]
    with pytest.raises(PluginError) as caught:
        ask(model, hook, tmp_path)
    assert f"the extension 'rules' (rules-1 1.0) breaks the contract in {hook}: answered None" in caught.value.message


PASSING = "@hookimpl(wrapper=True)\ndef {signature}: return (yield)"


@pytest.mark.parametrize("guilty", [1, 2, 3])
def test_where_several_wrap_the_one_that_forgets_to_return_is_named(load: Load, guilty: int) -> None:
    signature = "convert_inputs(self, job)"
    sources = [(FORGETFUL if number == guilty else PASSING).format(signature=signature) for number in (1, 2, 3)]
    with pytest.raises(PluginError) as caught:
        load("", *sources).convert_inputs(JOB)
    assert caught.value.message == (
        f"the extension 'rules' (rules-{guilty} 1.0) breaks the contract in convert_inputs: "
        "answered None, not a Bundle; did it forget to return?"
    )


ERROR = 'Problem(field="num_steps", message="too many", hint="fewer", code="too_many")'
TAKES_AWAY = {
    "drops them": "yield\n    return ()",
    "makes them warnings": "problems = yield\n    return [attrs.evolve(p, severity='warning') for p in problems]",
    "forgets to return": "yield",
}


@pytest.mark.parametrize("way", TAKES_AWAY)
def test_a_wrapper_cannot_take_away_the_models_errors(load: Load, way: str) -> None:
    model = load(
        f"@hookimpl\ndef validate_inputs(self, request): return [{ERROR}]",
        f"@hookimpl(wrapper=True)\ndef validate_inputs(self, request):\n    {TAKES_AWAY[way]}",
        PASSING.format(signature="validate_inputs(self, request)"),
    )
    with pytest.raises(PluginError, match=r"the extension 'rules' \(rules-1 1.0\) breaks the contract"):
        model.validate_inputs(REQUEST)


def test_a_wrapper_may_add_problems_reword_errors_and_drop_warnings(load: Load) -> None:
    wrapper = f"""
        @hookimpl(wrapper=True)
        def validate_inputs(self):
            problems = yield
            kept = [attrs.evolve(p, message="the house says so") for p in problems if p.severity == "error"]
            return [*kept, {WARNING}]
        """
    model = load(f"@hookimpl\ndef validate_inputs(self, request): return [{ERROR}, {WARNING}, {WARNING}]", wrapper)
    assert [(p.code, p.message) for p in model.validate_inputs(REQUEST)] == [
        ("too_many", "the house says so"),
        ("not_used", "not used"),
    ]


def test_a_wrapper_cannot_hide_that_the_model_failed(load: Load) -> None:
    hiding = """
        @hookimpl(wrapper=True)
        def {signature}:
            try:
                return (yield)
            except Exception:
                return {answer}
        """
    model = load(
        """
        @hookimpl
        def validate_inputs(self, request): return 1 / 0

        @hookimpl
        def convert_inputs(self, job): return {}["spec"]
        """,
        hiding.format(signature="validate_inputs(self)", answer="()"),
        hiding.format(signature="convert_inputs(self)", answer="__import__('cosmos_core').Bundle()"),
    )
    with pytest.raises(PluginError, match=r"plain-one 1.0\) failed in validate_inputs: ZeroDivisionError"):
        model.validate_inputs(REQUEST)
    with pytest.raises(PluginError, match=r"plain-one 1.0\) failed in convert_inputs: KeyError"):
        model.convert_inputs(JOB)


def test_the_extension_that_answers_wrongly_is_named_not_the_model(load: Load) -> None:
    model = load(
        f"@hookimpl\ndef validate_inputs(self, request): return [{WARNING}]",
        "@hookimpl\ndef validate_inputs(self, request): return ['too many steps']",
    )
    with pytest.raises(PluginError, match=r"the extension 'rules' \(rules-1 1.0\) breaks the contract"):
        model.validate_inputs(REQUEST)


def test_who_raises_is_named_with_hook_exception_and_place(load: Load, site: Path) -> None:
    model = load("@hookimpl\ndef convert_inputs(self, job):\n    return {}['spec']")
    line = 1 + next(i for i, text in enumerate((site / "plain_one.py").read_text().splitlines()) if "'spec'" in text)
    for call in (lambda: model.convert_inputs(JOB), lambda: model.pm.hook.convert_inputs(job=JOB)):
        with pytest.raises(PluginError) as caught:
            call()
        assert caught.value.message == (
            "the model plugin 'plain' (plain-one 1.0) failed in convert_inputs: KeyError: 'spec' "
            f"({site / 'plain_one.py'}:{line})"
        )
        assert isinstance(caught.value.__cause__, KeyError)
        assert "pip uninstall plain-one" in caught.value.hint


def test_a_failure_deep_in_a_library_is_placed_in_the_plugin(load: Load, site: Path) -> None:
    model = load("@hookimpl\ndef convert_inputs(self, job):\n    import json\n    return json.loads('{')")
    with pytest.raises(PluginError, match=r"JSONDecodeError: .*plain_one.py:\d+\)"):
        model.convert_inputs(JOB)


def test_a_model_that_raises_below_a_wrapper_is_named_not_the_wrapper(load: Load) -> None:
    wrapper = "@hookimpl(wrapper=True)\ndef convert_inputs(self, job):\n    return (yield)"
    model = load("@hookimpl\ndef convert_inputs(self, job): raise OSError('full')", wrapper)
    with pytest.raises(PluginError, match=r"the model plugin 'plain' \(plain-one 1.0\) failed in convert_inputs"):
        model.convert_inputs(JOB)


@pytest.mark.parametrize(
    "extension",
    [
        "@hookimpl(wrapper=True)\ndef validate_inputs(self, request):\n    raise ValueError('x')\n    yield",
        "@hookimpl(wrapper=True)\ndef validate_inputs(self, request):\n    yield\n    raise ValueError('x')",
        "@hookimpl\ndef validate_inputs(self, request):\n    raise ValueError('x')",
        "@hookimpl\ndef validate_inputs(self, request):\n    yield 1 / 0",
    ],
)
def test_an_extension_that_raises_is_named_not_the_model(load: Load, extension: str) -> None:
    model = load("", extension)
    with pytest.raises(PluginError, match=r"the extension 'rules' \(rules-1 1.0\) failed in validate_inputs"):
        model.validate_inputs(REQUEST)


@pytest.mark.parametrize(
    ("body", "words"), [("yield\n    yield", "yields twice"), ("if False: yield", "does not yield")]
)
def test_a_wrapper_that_does_not_yield_once_is_named(load: Load, body: str, words: str) -> None:
    passing = PASSING.format(signature="validate_inputs(self, request)")
    model = load("", passing, f"@hookimpl(wrapper=True)\ndef validate_inputs(self, request):\n    {body}", passing)
    with pytest.raises(PluginError, match=rf"rules-2 1.0\) breaks the contract in validate_inputs: {words}"):
        model.validate_inputs(REQUEST)


def test_a_generator_that_raises_on_the_way_is_fenced(load: Load) -> None:
    model = load(f"@hookimpl\ndef validate_inputs(self, request):\n    yield {WARNING}\n    yield 1 / 0")
    with pytest.raises(PluginError, match=r"plain-one 1.0\) failed in validate_inputs: ZeroDivisionError"):
        model.validate_inputs(REQUEST)


def test_a_plugin_that_exits_is_fenced_and_an_interrupt_passes(load: Load) -> None:
    model = load(
        """
        @hookimpl
        def convert_inputs(self, job): raise SystemExit(3)

        @hookimpl
        def validate_inputs(self, request): raise KeyboardInterrupt
        """
    )
    with pytest.raises(PluginError, match="SystemExit: 3"):
        model.convert_inputs(JOB)
    with pytest.raises(KeyboardInterrupt):
        model.validate_inputs(REQUEST)


def test_an_exception_that_cannot_describe_itself_is_fenced(load: Load) -> None:
    model = load(
        """
        @hookimpl
        def convert_inputs(self, job):
            class Mute(Exception):
                def __str__(self): raise RuntimeError
            raise Mute
        """
    )
    with pytest.raises(PluginError, match=r"failed in convert_inputs: Mute \("):
        model.convert_inputs(JOB)


def test_a_raw_call_that_lacks_an_argument_is_the_callers_fault(load: Load) -> None:
    hook = load().pm.hook
    with pytest.warns(UserWarning, match="cannot be found"), pytest.raises(HookCallError):
        hook.choose_script(job=JOB)


def test_an_unknown_toolkit_names_the_nearest(load: Load) -> None:
    model = load()
    assert model.toolkit().name == model.toolkit("plain").name == "plain"
    with pytest.raises(UnknownName, match="plain has no toolkit 'plane'") as caught:
        model.toolkit("plane")
    assert caught.value.hint == "did you mean 'plain'? its toolkits: plain"


READER = """
@hookimpl
def follow_progress(self, job):
    def read(line):
        if line == "bad": raise ValueError("cannot read this")
        if line == "odd": return 0.5
        return Progress(message=line)
    return read
"""


def test_marked_lines_are_read_by_the_core_before_the_plugin_s_reader(load: Load) -> None:
    read = load(READER).follow_progress(JOB)
    marked = '@cosmos {"fraction": 0.25, "message": "half", "stage": "loading", "request": "rs_1"}'
    assert read(marked) == Progress(fraction=0.25, message="half", stage="loading", request="rs_1")
    assert read("step 1") == Progress(message="step 1")


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("@cosmos {}", Progress()),
        ('@cosmos {"fraction": 7}', Progress(fraction=1.0)),
        ('@cosmos {"fraction": -1}', Progress(fraction=0.0)),
        ('@cosmos {"fraction": NaN}', Progress()),
        ('@cosmos {"fraction": true, "message": 3}', Progress()),
        ("@cosmos {cut", None),
        ("@cosmos [1]", None),
        ("@cosmos", None),
        ('see @cosmos {"fraction": 1}', None),
        ("", None),
    ],
)
def test_what_a_marked_line_may_hold(load: Load, line: str, progress: Progress | None) -> None:
    assert load().follow_progress(JOB)(line) == progress


@pytest.mark.parametrize("line", ["bad", "odd"])
def test_a_reader_that_breaks_is_reported_once_and_then_left_alone(
    load: Load, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    read = load(READER).pm.hook.follow_progress(job=JOB)
    with caplog.at_level(logging.WARNING):
        assert [read(text) for text in (line, line, "step 1")] == [None, None, None]
    assert len(caplog.records) == 1
    assert "plain-one 1.0) failed in follow_progress" in caplog.text
    assert read('@cosmos {"fraction": 1}') == Progress(fraction=1.0)
    assert isinstance(read.broken, PluginError)


def test_answers_cross_the_fence_unchanged(load: Load, tmp_path: Path) -> None:
    model = load(
        """
        @hookimpl
        def parse_outputs(self, job, result):
            failure = Failure(code="oom", message="memory")
            return [Outputs(values={"seed": 3}, scores={"psnr": 31.5}, failure=failure)]
        """
    )
    (outputs,) = model.parse_outputs(JOB, result_in(tmp_path))
    assert outputs.failure == Failure(code="oom", message="memory")
    assert (outputs.values, outputs.scores) == ({"seed": 3}, {"psnr": 31.5})
    assert model.choose_script(JOB, Bundle()) == Command(argv=("true",))
    assert isinstance(Problem(field="a", message="b", hint="", code="c"), Problem)
