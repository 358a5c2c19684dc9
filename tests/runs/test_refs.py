"""What people give as an input that is no path: URLs, and files on hosts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from run_life import Home

from cosmos_core.runs.inputs import BadRef, Refs


@pytest.fixture
def refs(home: Home) -> Refs:
    home.configure('[targets.lab]\nhost = "ada@gpu.example.org:2222"\nwork_dir = "/w"\n')
    cosmos = home.cosmos()
    return Refs(config=cosmos.config, store=None, hosts=cosmos.hosts)


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "file:{}", "FILE://{}"])
def test_a_file_url_is_the_path_it_means(home: Home, refs: Refs, form: str) -> None:
    clip = home.folder / "Straße 1%.mp4"
    clip.hardlink_to(home.clip)
    record = refs.read("video", form.format(quote(str(clip))))
    assert (record.path, record.name) == (str(clip), "Straße 1%.mp4")
    assert refs.is_sequence(form.format(clip.parent))


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("https://example.org/a.mp4?key=hush", "https://example.org/a.mp4 is a URL", "curl -LO"),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4 is a URL", "download it, and give the file"),
        ("file://nas/a.mp4", "is a URL", "download it"),
        ("ada@gpu.example.org:/data/a.mp4", "there is no target", "lab:/data/a.mp4"),
        ("gpu.example.org:/data/a.mp4", "there is no target", "lab:/data/a.mp4"),
        ("lba:/data/a.mp4", "there is no target 'lba'", "did you mean 'lab'?"),
        ("lab:a.mp4", "a path on a target begins with /", "lab:/"),
    ],
)
def test_what_names_no_file_is_told_with_what_to_give(refs: Refs, ref: str, message: str, hint: str) -> None:
    with pytest.raises(BadRef) as refused:
        refs.read("video", ref)
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert "hush" not in refused.value.message


def test_a_file_that_is_named_so_is_taken(refs: Refs, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.folder)
    Path("lab:a.mp4").hardlink_to(home.clip)
    assert refs.read("video", "lab:a.mp4").path == str(home.folder / "lab:a.mp4")
