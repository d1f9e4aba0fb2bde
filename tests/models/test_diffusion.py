"""Published pipelines, tiny and random, through the catalog's own path: loading, sampling, pruning, unread words."""

from __future__ import annotations

import re

import pytest
import torch

from common.errors import BadRequest, ModelUnavailable, OutOfMemory
from models.families.diffusion import SPECS
from models.families.diffusion_schedulers import SCHEDULERS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NAMES = [spec.name for spec in SPECS]


def begin(model, seeds=(1, 2), steps=2, guidance=3.0, scheduler="Euler", prompt="a red car", negative="blue"):
    return model.start(prompt, negative, seeds, 64, 64, steps, guidance, scheduler)


def finished(model, **more):
    sampling = begin(model, **more)
    while sampling.done < sampling.total:
        sampling.step()
    return sampling.predicted()


@pytest.mark.parametrize("name", NAMES)
def test_the_published_layout_loads_and_paints(hub_pool, name):
    with hub_pool().use(name) as model:
        pictures = finished(model)
    assert pictures.shape == (2, 3, 64, 64)
    assert pictures.dtype == torch.float32 and 0 <= pictures.min() <= pictures.max() <= 1
    assert (pictures[0] - pictures[1]).abs().max() > 0.001


@pytest.mark.parametrize("guidance", [0.0, 4.0])
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_diffusers_pipeline(hub, hub_pool, name, guidance):
    """Same seed, same steps, DDIM, a negative prompt: pixel for pixel what the library's own loop gives."""
    from diffusers import DDIMScheduler

    theirs = hub[1][name]
    old = theirs.scheduler
    theirs.scheduler = DDIMScheduler.from_config(old.config, clip_sample=False)
    is_ldm = name.startswith("ldm")  # whose own pipeline takes no negative prompt, and 1 for no guidance
    negative = "" if is_ldm else "blue"
    options = {"guidance_scale": guidance or (1.0 if is_ldm else 0.0)} | (
        {} if is_ldm else {"negative_prompt": [negative]}
    )
    generator = torch.Generator().manual_seed(5)
    try:
        expected = theirs(
            ["a red car"], height=64, width=64, num_inference_steps=3, generator=generator, output_type="np", **options
        ).images
    finally:
        theirs.scheduler = old
    with hub_pool().use(name) as model:
        ours = finished(model, seeds=[5], steps=3, guidance=guidance, scheduler="DDIM", negative=negative)
    torch.testing.assert_close(ours, torch.from_numpy(expected).permute(0, 3, 1, 2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_prompt_negative_and_seed_matter(hub_pool, name):
    with hub_pool().use(name) as model:
        first = finished(model)
        for change in ({"prompt": "a penguin"}, {"negative": "smiling"}, {"seeds": (3, 4)}):
            assert (finished(model, **change) - first).abs().max() > 1e-5, change
        torch.testing.assert_close(finished(model), first)


@pytest.mark.parametrize("name", NAMES)
def test_a_candidate_kept_midway_equals_itself_alone(hub_pool, name):
    with hub_pool().use(name) as model:
        together = begin(model, seeds=(1, 2, 3), steps=4, scheduler="Euler a")
        together.step()
        together.step()
        together.keep([2])
        while together.done < together.total:
            together.step()
        torch.testing.assert_close(
            together.predicted(), finished(model, seeds=[3], steps=4, scheduler="Euler a"), rtol=1e-3, atol=2e-3
        )


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_every_scheduler_of_the_controls_exists_and_runs(hub_pool, spec):
    assert spec.default_scheduler in spec.controls["schedulers"]
    assert set(spec.controls["schedulers"]) <= set(SCHEDULERS)
    with hub_pool().use(spec.name) as model:
        for scheduler in spec.controls["schedulers"]:
            assert finished(model, seeds=[1], scheduler=scheduler).isfinite().all(), scheduler


def test_wrong_sizes_and_schedulers_are_named(hub_pool):
    with hub_pool().use("sd-turbo") as model:
        with pytest.raises(BadRequest, match=r"65×64.*multiples of 8"):
            model.start("a cat", "", [1], 65, 64, 2, 0, "Euler")
        with pytest.raises(BadRequest, match=r"'Magic'.*Euler"):
            model.start("a cat", "", [1], 64, 64, 2, 0, "Magic")


@pytest.mark.parametrize("name", NAMES)
def test_overflow_is_exactly_what_the_encoder_does_not_read(hub, hub_pool, name):
    """Changing words before the cut changes the picture's conditioning, changing words after it does not."""
    words = ["red"] * 73 + ["blue", "car", "penguin", "cat"]
    prompt = " ".join(words)
    with hub_pool().use(name) as model:
        assert model.token_limit == 77
        assert model.overflow("a red car") == ""
        assert model.overflow(" ".join(words[:75])) == ""
        lost = model.overflow(prompt)
        assert lost == "penguin cat"
        states = model.encode(prompt, "", 64, 64, False).given["states"]
        after = model.encode(prompt.replace(lost, "smiling smiling"), "", 64, 64, False).given["states"]
        before = model.encode(prompt.replace("blue car", "blue blue"), "", 64, 64, False).given["states"]
    torch.testing.assert_close(states, after)
    assert (states - before).abs().max() > 1e-4


def test_a_word_cut_in_half_counts_as_lost(hub_pool):
    with hub_pool().use("sd-turbo") as model:
        # "red" is one token; "xyxyxyxy" is a token per letter and begins one token before the end
        assert model.overflow("red " * 74 + "xyxyxyxy") == "xyxyxyxy"
        assert model.overflow("red " * 75 + "!") == "!"


def test_only_one_model_stays_where_only_one_fits(hub_pool):
    pool = hub_pool(max_memory_gb=3.0)
    with pool.use("sd-turbo") as first:
        assert first.unet is not None
    with pool.use("stable-diffusion-1.5"):
        assert [status.name for status in pool.status()] == ["stable-diffusion-1.5"]
    assert first.unet is None  # closed, so that its memory is free
    with pytest.raises(OutOfMemory, match="SDXL Turbo"), pool.use("sdxl-turbo"):
        pass


def test_half_precision_is_asked_of_the_folder(hub_pool):
    with hub_pool(precision="bf16").use("sd-turbo") as model:
        assert model.unet.dtype == torch.bfloat16
        assert finished(model, seeds=[1]).isfinite().all()


def test_a_decoder_that_overflows_in_half_works_in_full(hub_pool):
    with hub_pool(precision="fp16").use("sdxl-turbo") as model:
        assert model.unet.dtype == torch.float16
        assert model.decoder.dtype == torch.float32
        sampling = begin(model, seeds=[1])
        assert model.decode(sampling._latents).dtype == torch.float32


def test_a_missing_checkpoint_names_the_command(hub_pool, tmp_path):
    pool = hub_pool(hub_folder=tmp_path)
    with pytest.raises(ModelUnavailable, match=re.escape("python -m models.fetch sd-turbo")), pool.use("sd-turbo"):
        pass
    assert pool.status() == []


def test_a_foreign_class_is_named(hub, hub_pool, tmp_path):
    import json
    import shutil

    shutil.copytree(hub[0] / "stabilityai--sd-turbo", tmp_path / "stabilityai--sd-turbo")
    index = tmp_path / "stabilityai--sd-turbo" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": "FluxPipeline"}))
    with (
        pytest.raises(ModelUnavailable, match=r"FluxPipeline.*StableDiffusionPipeline"),
        hub_pool(hub_folder=tmp_path).use("sd-turbo"),
    ):
        pass


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_specs_say_what_people_need_to_know(spec):
    assert spec.licence and spec.note and spec.download_mb > 500 and spec.revision
    assert {"steps", "guidance", "width", "height", "schedulers"} == set(spec.controls)
    for name in ("width", "height"):
        assert spec.controls[name].step % 8 == 0


def test_a_damaged_checkpoint_names_the_command(hub, hub_pool, tmp_path):
    import shutil

    shutil.copytree(hub[0] / "stabilityai--sd-turbo", tmp_path / "stabilityai--sd-turbo")
    weights = tmp_path / "stabilityai--sd-turbo" / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    pool = hub_pool(hub_folder=tmp_path)
    with pytest.raises(ModelUnavailable, match=r"damaged.*models\.fetch sd-turbo"), pool.use("sd-turbo"):
        pass
    assert pool.status() == []
