"""Towers made quick see what the rankers see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pipelines.vqgan_clip.towers import Tower, native_size


@pytest.mark.parametrize("name", ["vit", "cnn"])
def test_vectors_and_gradients_are_those_of_the_ranker(name, request):
    ranker = request.getfixturevalue(name)
    tower = Tower(ranker)
    cuts = torch.rand(3, 3, tower.size, tower.size)
    ours, theirs = cuts.clone().requires_grad_(), cuts.clone().requires_grad_()
    seen, expected = tower(ours), ranker.image_features(theirs)
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)
    weight = torch.randn_like(seen)
    (seen * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3)


def test_normalisations_are_folded_in_a_copy_and_the_ranker_keeps_its_own(cnn):
    tower = Tower(cnn)
    count = sum(isinstance(module, nn.BatchNorm2d) for module in cnn.model.visual.modules())
    assert count > 5 and tower._folded
    assert not any(isinstance(module, nn.BatchNorm2d) for module in tower._visual.modules())
    assert not any(weight.requires_grad for weight in tower._visual.parameters())


def test_other_sizes_where_the_network_takes_them(cnn, vit):
    small = Tower(cnn, size=32)
    assert small.size == 32 and small(torch.rand(2, 3, 32, 32)).shape == (2, 16)
    assert Tower(vit, size=16).size == native_size(vit) == 32


def test_pixels_as_they_are(cnn, vit):
    for ranker in (cnn, vit):
        tower = Tower(ranker, normalise=False)
        cuts = torch.rand(2, 3, tower.size, tower.size)
        raw = ranker.model.encode_image(cuts, normalize=True)
        torch.testing.assert_close(tower(cuts), raw, atol=1e-5, rtol=0)
        assert not torch.allclose(tower(cuts), Tower(ranker)(cuts), atol=1e-3)


def test_a_ranker_without_a_network_to_see_is_asked_itself():
    def features(pixels: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(pixels.mean((2, 3)), dim=-1)

    ranker = SimpleNamespace(image_features=features, image_size=20)
    tower = Tower(ranker)
    cuts = torch.rand(2, 3, 20, 20)
    assert tower.size == 20 and torch.equal(tower(cuts), features(cuts))


def test_a_network_that_folding_would_change_stays_as_it_is(cnn):
    """Its convolution is read by the normalisation and by a way around it."""

    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 4)
            self.norm.running_mean.uniform_(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.head((x + self.norm(x)).mean((2, 3)))

    visual = Forked().eval().requires_grad_(False)
    ranker = SimpleNamespace(model=SimpleNamespace(visual=visual), mean=cnn.mean, std=cnn.std, image_size=16)
    tower = Tower(ranker)
    assert not tower._folded and tower._visual is visual
