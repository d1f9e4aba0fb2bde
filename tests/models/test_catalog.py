import sys
import types

import pytest

import models.catalog
from common.errors import BadRequest
from common.settings import Settings
from models import families
from models.catalog import Catalog
from models.spec import ModelSpec, Range


@pytest.fixture
def mixed(make_spec, settings):
    """Two packs: of the hub models only the second has its files on this machine."""
    specs = (
        make_spec("small"),
        make_spec("smaller"),
        make_spec("far", pack="hub", source="someone/far", revision="main"),
        make_spec("near", pack="hub", source="someone/near", revision="main"),
        make_spec("debug", pack="debug"),
        make_spec("speaker", role="captioner", pack="hub", source="someone/speaker", revision="main"),
    )
    (settings.hub_folder / "someone--near").mkdir(parents=True)
    (settings.hub_folder / "someone--near" / "model.safetensors").write_bytes(b"weights")

    def catalog(pack: str, device: str = "auto") -> Catalog:
        return Catalog(specs, Settings(models=pack, device=device, hub_folder=settings.hub_folder))

    return catalog


def test_all_lists_everything_but_debug_models_in_order(mixed):
    assert [spec.name for spec in mixed("auto").all()] == ["small", "smaller", "far", "near", "speaker"]
    assert [spec.name for spec in mixed("auto").all("captioner")] == ["speaker"]


def test_get_finds_debug_models_too_and_names_the_others(mixed):
    assert mixed("auto").get("debug").pack == "debug"
    with pytest.raises(BadRequest, match="no model 'huge'; there are small, smaller, far, near, speaker"):
        mixed("auto").get("huge")


@pytest.mark.parametrize(
    ("pack", "device", "cuda", "name"),
    [
        ("auto", "auto", True, "near"),
        ("auto", "cuda", True, "near"),
        ("auto", "auto", False, "small"),
        ("auto", "cpu", True, "small"),
        ("starter", "auto", True, "small"),
        ("hub", "auto", False, "near"),
    ],
)
def test_the_default_follows_the_settings(mixed, monkeypatch, pack, device, cuda, name):
    monkeypatch.setattr(models.catalog, "has_cuda", lambda: cuda)
    assert mixed(pack, device).default("ranker").name == name


def test_a_pack_without_the_role_lends_from_the_other(mixed):
    assert mixed("starter").default("captioner").name == "speaker"
    with pytest.raises(BadRequest, match="no model for 'vqgan'"):
        mixed("starter").default("vqgan")


def test_two_models_of_one_name_are_refused(make_spec, settings):
    with pytest.raises(ValueError, match="'apple'"):
        Catalog([make_spec("apple"), make_spec("apple")], settings)


def test_scan_gathers_every_family_and_loads_none(settings):
    catalog = Catalog.scan(settings)
    assert catalog.all("ranker")
    assert catalog.all("text_to_image")
    for spec in catalog.all():
        assert spec.licence, spec.name
        assert spec.memory_mb > 0, spec.name
        assert (spec.revision is not None) == (spec.pack == "hub"), spec.name
        assert all(isinstance(control, Range | tuple) for control in spec.controls.values()), spec.name


def test_a_broken_family_is_not_skipped(settings, tmp_path, monkeypatch):
    (tmp_path / "broken_family.py").write_text("raise RuntimeError('typo in a family')")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    with pytest.raises(RuntimeError, match="typo in a family"):
        Catalog.scan(settings)


def test_a_new_family_is_one_file(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    module = types.ModuleType("models.families.new_family")
    module.SPECS = (ModelSpec(**_facts("brand-new")),)
    (tmp_path / "new_family.py").touch()
    monkeypatch.setitem(sys.modules, "models.families.new_family", module)
    with pytest.raises(BadRequest, match="brand-new"):  # its weights are not shipped
        Catalog.scan(settings).get("brand-new")
    (settings.weights / "brand-new").mkdir(parents=True)
    (settings.weights / "brand-new" / "model.safetensors").touch()
    assert Catalog.scan(settings).get("brand-new").title == "Brand New"


def _facts(name: str) -> dict:
    facts = {"title": "Brand New", "role": "ranker", "pack": "starter", "source": name, "revision": None}
    return {"name": name, **facts, "licence": "MIT", "download_mb": 1, "memory_mb": 1, "load": lambda context: None}


def test_specs_and_ranges_refuse_nonsense():
    with pytest.raises(ValueError, match="role is 'painter'"):
        ModelSpec(**{**_facts("x"), "role": "painter"})
    with pytest.raises(ValueError, match="pack is 'cloud'"):
        ModelSpec(**{**_facts("x"), "pack": "cloud"})
    for numbers in ((1, 10, 1, 11), (1, 10, 0, 5), (10, 1, 1, 5), (1, 10, 1, float("nan"))):
        with pytest.raises(ValueError, match="not a range"):
            Range(*numbers)
