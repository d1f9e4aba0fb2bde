"""What VQGAN+CLIP relies on: codes, latents and pictures of a VQGAN, and where gradients go."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from common.errors import BadRequest, ModelUnavailable
from models.families import vqgan_model
from models.families.vqgan import Vqgan, read_folder


def tiny_network(**changes):
    """A `VQModel` of factor 4 with 40 codes of 6 channels and random weights."""
    from diffusers import VQModel

    torch.manual_seed(0)
    settings = {
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (8, 8, 16),
        "latent_channels": 6,
        "num_vq_embeddings": 40,
        "norm_num_groups": 4,
    }
    network = VQModel(**{**settings, **changes})
    network.quantize.embedding.weight.data.normal_()
    return network


@pytest.fixture
def vqgan() -> Vqgan:
    return Vqgan(tiny_network())


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def test_it_describes_its_codebook(vqgan):
    codes = vqgan.network.quantize.embedding.weight
    assert (vqgan.factor, vqgan.channels, vqgan.dtype, vqgan.device.type) == (4, 6, torch.float32, "cpu")
    assert torch.equal(vqgan.codebook, codes) and not vqgan.codebook.requires_grad
    assert vqgan.low.shape == vqgan.high.shape == (1, 6, 1, 1)
    assert torch.equal(vqgan.low[0, :, 0, 0], codes.min(0).values)
    assert torch.equal(vqgan.high[0, :, 0, 0], codes.max(0).values)
    assert not any(weight.requires_grad for weight in vqgan.network.parameters()) and not vqgan.network.training


@pytest.mark.parametrize("at_once", [1, 40 * 7, 2**24])
def test_indices_are_the_nearest_codes(vqgan, monkeypatch, at_once):
    monkeypatch.setattr(vqgan_model, "SCORES_AT_ONCE", at_once)
    z = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(2)) * 2
    flat = z.double().permute(0, 2, 3, 1).reshape(-1, 6)
    distances = (flat[:, None] - vqgan.codebook.double()).square().sum(-1)
    assert vqgan.indices(z).dtype == torch.int64
    assert torch.equal(vqgan.indices(z), distances.argmin(1).view(3, 5, 4))


def test_quantising_gives_rows_of_the_codebook(vqgan):
    z = vqgan.random(2, 3, 5, torch.Generator().manual_seed(3))
    assert z.shape == (2, 6, 3, 5)
    assert torch.equal(vqgan.quantise(z + 1e-4), z)
    assert torch.equal(z[1, :, 2, 4], vqgan.codebook[vqgan.indices(z)[1, 2, 4]])
    assert not vqgan.quantise(z.requires_grad_()).requires_grad


def test_random_codes_follow_the_generator_and_use_all(vqgan):
    draws = [vqgan.random(1, 20, 20, torch.Generator().manual_seed(seed)) for seed in (4, 4, 5)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert len(vqgan.indices(draws[0]).unique()) == 40


def test_a_picture_is_encoded_as_by_diffusers(vqgan, pixels):
    with torch.no_grad():
        latent = vqgan.network.encode(pixels * 2 - 1).latents
        theirs = vqgan.network.quantize(latent)[0]
    z = vqgan.encode(pixels.requires_grad_())
    assert z.shape == (2, 6, 4, 6) and not z.requires_grad
    torch.testing.assert_close(z, theirs, atol=1e-6, rtol=0)
    assert torch.equal(vqgan.rows(vqgan.codes(pixels)), z)


def test_a_size_that_does_not_fit_is_refused(vqgan):
    with pytest.raises(BadRequest, match="is 22×16 pixels; both must be multiples of 4"):
        vqgan.encode(torch.rand(1, 3, 16, 22))


SPATIAL = {"norm_type": "spatial", "block_out_channels": (32, 32, 32)}


@pytest.mark.parametrize("changes", [{}, SPATIAL], ids=["group norm", "modulated by the latent"])
def test_a_latent_is_decoded_as_by_diffusers_and_passes_gradients(changes):
    vqgan = Vqgan(tiny_network(**changes))
    z = (vqgan.random(1, 3, 4, torch.Generator().manual_seed(6)) * 9).requires_grad_()
    with torch.no_grad():
        theirs = vqgan.network.decode(z, force_not_quantize=True).sample / 2 + 0.5
    pictures = vqgan.decode(z)
    torch.testing.assert_close(pictures, theirs, atol=1e-6, rtol=0)
    pictures.square().sum().backward()
    assert z.grad.abs().min() > 0 and all(weight.grad is None for weight in vqgan.network.parameters())


def test_pictures_are_not_clamped(vqgan):
    vqgan.network.decoder.conv_out.weight.data.mul_(20)
    pictures = vqgan.decode(vqgan.random(1, 4, 4, torch.Generator().manual_seed(7)))
    assert pictures.min() < 0 and pictures.max() > 1


def test_pixels_of_amused_are_not_centred(pixels):
    vqgan = Vqgan(tiny_network(lookup_from_codebook=True))
    with torch.no_grad():
        theirs = vqgan.network.quantize(vqgan.network.encode(pixels).latents)[0]
    z = vqgan.encode(pixels)
    torch.testing.assert_close(z, theirs, atol=1e-6, rtol=0)
    decoded = vqgan.network.decoder(vqgan.network.post_quant_conv(z))
    torch.testing.assert_close(vqgan.decode(z), decoded, atol=1e-6, rtol=0)


def test_checkpointing_computes_blocks_again_and_changes_nothing(vqgan):
    calls = []
    vqgan.network.decoder.up_blocks[1].register_forward_pre_hook(lambda *_: calls.append(1))

    def gradient() -> tuple[torch.Tensor, int]:
        z = vqgan.random(1, 3, 3, torch.Generator().manual_seed(8)).requires_grad_()
        calls.clear()
        vqgan.decode(z).square().sum().backward()
        return z.grad, len(calls)

    plain, once = gradient()
    vqgan.checkpoint(True)
    frugal, twice = gradient()
    vqgan.checkpoint(False)
    assert (once, twice, gradient()[1]) == (1, 2, 1)
    torch.testing.assert_close(frugal, plain, atol=0, rtol=0)


def test_a_projection_chooses_the_codes_of_a_picture_but_not_those_of_a_latent(pixels):
    network, weight, bias = tiny_network(), torch.randn(40, 6), torch.randn(40)
    vqgan = Vqgan(network, (weight, bias))
    with torch.no_grad():
        latent = network.encode(pixels * 2 - 1).latents
    scores = torch.einsum("vc,nchw->nvhw", weight, latent) + bias[:, None, None]
    assert torch.equal(vqgan.codes(pixels), scores.argmax(1))
    z = vqgan.rows(scores.argmax(1))
    assert torch.equal(vqgan.encode(pixels), z) and torch.equal(vqgan.quantise(z), z)


@pytest.fixture
def folder(tmp_path) -> Path:
    tiny_network().save_pretrained(tmp_path / "vqgan")
    return tmp_path / "vqgan"


def test_half_precision_is_for_the_network_alone(folder, pixels):
    full, half = read_folder(folder, torch.float32), read_folder(folder, torch.bfloat16)
    assert half.dtype == torch.bfloat16 and torch.equal(half.codebook, full.codebook)
    z = torch.randn(1, 6, 30, 30, generator=torch.Generator().manual_seed(9))
    indices = full.indices(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(half.indices(z), indices)
    z = full.encode(pixels).requires_grad_()
    assert half.encode(pixels).dtype == half.decode(z).dtype == torch.float32
    torch.testing.assert_close(half.decode(z), full.decode(z), atol=0.05, rtol=0)
    half.decode(z).sum().backward()
    assert z.grad.dtype == torch.float32 and z.grad.abs().sum() > 0


def test_a_network_that_overflows_in_fp16_works_in_fp32(tmp_path):
    tiny_network(force_upcast=True).save_pretrained(tmp_path / "a")
    assert read_folder(tmp_path / "a", torch.float16).dtype == torch.float32
    assert read_folder(tmp_path / "a", torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("how", [{"variant": "fp16"}, {"max_shard_size": "20KB"}, {"safe_serialization": False}])
def test_every_published_form_of_the_files_is_read(tmp_path, pixels, how):
    network = tiny_network()
    network.save_pretrained(tmp_path / "a", **how)
    assert len(list((tmp_path / "a").glob("diffusion_pytorch_model*"))) > ("max_shard_size" in how)
    assert torch.equal(read_folder(tmp_path / "a", torch.float32).encode(pixels), Vqgan(network).encode(pixels))


def test_missing_weights_are_said(folder):
    from safetensors.torch import load_file

    path = folder / "diffusion_pytorch_model.safetensors"
    save_file({name: value for name, value in load_file(path).items() if name != "quant_conv.bias"}, path)
    with pytest.raises(ModelUnavailable, match=r"lacks weights of its VQModel: quant_conv.bias"):
        read_folder(folder, torch.float32)
