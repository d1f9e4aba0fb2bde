"""Quick ways on a CPU give what the ordinary ones give, and leave nothing behind."""

from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip.swift import _upsamplers, quick


def test_decoded_pictures_and_gradients_are_the_same(vqgan):
    z = vqgan.random(2, 6, 10, torch.Generator().manual_seed(1)).requires_grad_()
    weight = torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(2))

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        pixels = vqgan.decode(z)
        return pixels.detach(), torch.autograd.grad((pixels * weight).sum(), z)[0]

    plain = both()
    with quick(vqgan):
        layers = _upsamplers(vqgan.network.decoder)
        assert len(layers) == 2 and all("forward" in vars(layer) for layer in layers)
        swift = both()
    torch.testing.assert_close(swift, plain, atol=1e-4, rtol=1e-4)


def test_nothing_is_left_behind_even_after_an_error(vqgan):
    with pytest.raises(ZeroDivisionError), quick(vqgan):
        1 / 0  # noqa: B018
    assert not any("forward" in vars(layer) for layer in _upsamplers(vqgan.network.decoder))


def test_layers_of_another_make_are_left_alone(vqgan):
    from diffusers.models.upsampling import Upsample2D
    from torch import nn

    others = nn.ModuleList([
        Upsample2D(8),
        Upsample2D(8, use_conv_transpose=True),
        Upsample2D(8, use_conv=True, norm_type="rms_norm", eps=1e-6),
        Upsample2D(8, use_conv=True, kernel_size=1, padding=0),
    ])  # fmt: skip
    assert _upsamplers(others) == []
