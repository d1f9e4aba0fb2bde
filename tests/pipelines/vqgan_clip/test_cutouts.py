"""Cuts show the places they were drawn for: against plain crops, single warps and known colours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pipelines.vqgan_clip import cutouts, warps
from pipelines.vqgan_clip.draw import Cuts, draw
from pipelines.vqgan_clip.presets import PRESETS, Preset
from pipelines.vqgan_clip.starts import generator

PLAIN = Preset("plain crops", smallest=0.25)


def canvas(height: int = 48, width: int = 64, count: int = 1) -> torch.Tensor:
    """Pictures that are smooth, so that ways of resampling agree, and different everywhere."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 4, width), indexing="ij")
    phase = torch.arange(count).view(-1, 1, 1, 1)
    waves = torch.stack([(x + y).sin(), (2 * x - y).cos(), (x * y / 2).sin()])[None]
    return 0.5 + 0.4 * (waves + phase).sin()


def one(matrix: torch.Tensor, side: float = 32.0, **more: torch.Tensor) -> Cuts:
    return Cuts(matrix.view(1, 1, 3, 3), torch.full((1, 1), side), **more)


def drawn(preset: Preset, count: int = 8, size=(48, 64), seeds=(1,), **more) -> Cuts:
    return draw(preset, count, size, [generator(seed, "cuts") for seed in seeds], **more)


def test_a_crop_is_that_part_of_the_canvas():
    pixels = canvas()
    left, top, side = 16, 8, 24
    centre = torch.tensor([[2 * (left + side / 2) / 64 - 1, 2 * (top + side / 2) / 48 - 1]])
    matrix = warps.placed(centre, torch.tensor([[side / 64, side / 48]]))
    seen = cutouts.take(pixels, one(matrix, side), side)[0, 0]
    torch.testing.assert_close(seen, pixels[0, :, top : top + side, left : left + side], atol=1e-5, rtol=0)


def test_all_cuts_at_once_are_each_by_itself():
    pixels = canvas(count=2)
    cuts = drawn(PRESETS["classic"], 8, seeds=(1, 2))
    together = cutouts.take(pixels, cuts, 16)
    assert together.shape == (2, 8, 3, 16, 16)
    for k in range(8):
        alone = cutouts.take(pixels, cuts.part(k, k + 1), 16)
        torch.testing.assert_close(together[:, k : k + 1], alone)
    torch.testing.assert_close(together[1:], cutouts.take(pixels[1:], drawn(PRESETS["classic"], 8, seeds=(2,)), 16))


def test_sampling_is_that_of_torch_with_one_affine_per_cut():
    """The reference is the ordinary way: one `affine_grid` and one `grid_sample` for each cut."""
    pixels = canvas()
    cuts = drawn(replace(PRESETS["classic"], recoloured=0, perspective=0), 6)
    ours = cutouts.take(pixels, cuts, 32)[0]  # at this size no cut reads from a smaller level
    for k in range(6):
        grid = F.affine_grid(cuts.matrix[0, k, :2][None], (1, 3, 32, 32), align_corners=False)
        theirs = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)[0]
        torch.testing.assert_close(ours[k], theirs, atol=1e-5, rtol=0)


def test_a_large_crop_is_read_from_a_smaller_level():
    """Stripes of one pixel must come out grey, and not as the stripes of an accident."""
    stripes = (torch.arange(256) % 2).float().expand(1, 3, 256, 256).contiguous()
    whole = one(warps.placed(torch.zeros(1, 2), torch.ones(1, 2)), 256.0)
    for size in (32, 40, 57):
        seen = cutouts.take(stripes, whole, size)
        assert (seen - 0.5).abs().max() < 0.02, size


@pytest.mark.parametrize("size", [16, 24, 33])
def test_cuts_of_every_scale_keep_the_mean_colour(size):
    pixels = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 96, 128).contiguous()
    seen = cutouts.take(pixels, drawn(PLAIN, 12, (96, 128)), size)
    torch.testing.assert_close(seen, pixels[:, None, :, :1, :1].expand_as(seen), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["classic", "overview"])
def test_gradients_are_exact(name):
    """Taking cuts is affine in the pixels, so a difference of any size is told exactly by the gradient."""
    pixels, change = canvas(24, 32, count=2).requires_grad_(), torch.rand(2, 3, 24, 32, generator=generator(5, "x"))
    cuts = drawn(replace(PRESETS[name], erased=1.0), 6, (24, 32), seeds=(1, 2))
    weights = torch.rand(2, 6, 3, 8, 8, generator=generator(3, "x"))

    def total(x: torch.Tensor) -> torch.Tensor:
        return (cutouts.take(x, cuts, 8) * weights).sum()

    total(pixels).backward()
    difference = total(pixels.detach() + change) - total(pixels.detach())
    torch.testing.assert_close((pixels.grad * change).sum(), difference, atol=0, rtol=1e-3)
    assert (pixels.grad != 0).float().mean() > 0.5


def test_edges_go_on_or_turn_grey():
    pixels = torch.zeros(1, 3, 32, 32)
    pixels[..., -1] = 1.0
    beside = one(warps.placed(torch.tensor([[2.0, 0.0]]), torch.ones(1, 2)))
    assert torch.all(cutouts.take(pixels, beside, 32) == 1)
    grey = one(warps.placed(torch.tensor([[2.0, 0.0]]), torch.ones(1, 2)), grey=torch.full((1, 1), 0.3))
    assert torch.all(cutouts.take(pixels, grey, 16) == 0.3)


def test_holes_are_black_and_where_they_were_drawn():
    hole = torch.tensor([[[0.5, -0.5, 0.25, 0.5]]])
    seen = cutouts.take(torch.ones(1, 3, 16, 16), one(torch.eye(3), 16.0, hole=hole), 16)[0, 0, 0]
    assert seen[:8, 10:14].abs().max() == 0  # x from 0.25 to 0.75, y from -1 to 0
    assert seen.sum() == 256 - 8 * 4


def test_pooled_cuts_see_the_mean_of_average_and_maximum():
    pixels = torch.rand(1, 3, 32, 32, generator=generator(1, "x"))
    seen = cutouts.take(pixels, one(torch.eye(3)), 8, pooled=True)[0, 0]
    expected = (F.adaptive_avg_pool2d(pixels, 8) + F.adaptive_max_pool2d(pixels, 8))[0] / 2
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_draws_the_same_cuts_and_another_others(name):
    first, again, other = (drawn(PRESETS[name], seeds=(seed,)) for seed in (1, 1, 2))
    for key, value in vars(first).items():
        if value is not None:
            assert torch.equal(value, vars(again)[key]) and not (key == "matrix" and torch.equal(value, other.matrix))


@pytest.mark.parametrize("name", PRESETS)
def test_without_strength_only_crops_are_left(name):
    cuts = drawn(PRESETS[name], 64, strength=0.0)
    assert cuts.colour is None and cuts.hole is None
    off_diagonal = cuts.matrix[0][:, [0, 1, 2, 2], [1, 0, 0, 1]]
    assert off_diagonal.abs().max() == 0 and (cuts.matrix[0, :, 0, 0] > 0).all()


def test_crops_stay_inside_and_fill_their_range_evenly():
    cuts = drawn(PLAIN, 256)
    corners = cuts.matrix[0] @ torch.tensor([[-1.0, 1], [-1, 1], [1, 1]])
    assert corners[:, :2].abs().max() <= 1 + 1e-5
    shares = cuts.side[0] / 48
    assert 0.25 <= shares.min() < 0.27 and 0.98 < shares.max() <= 1
    assert shares.mean() == pytest.approx(0.625, abs=0.01)  # independent draws would miss this one time in two
    middle = cuts.matrix[0, :, :2, 2].mean(0)
    assert middle.abs().max() < 0.02


def test_the_overview_shows_all_of_a_wide_canvas():
    preset = replace(PRESETS["overview"], affine=0, bent=0, flip=0)
    cuts = drawn(preset, 10, (48, 96))
    corners = cuts.matrix[0, :4] @ torch.tensor([[-1.0], [-1.0], [1.0]])
    torch.testing.assert_close(corners[:, :2, 0], torch.tensor([-1.0, -2.0]).expand(4, 2))
    assert (cuts.side[0, :4] == 96).all() and (cuts.side[0, 4:] <= 48).all()


def test_cuts_are_taken_from_their_homes_in_turn():
    right = (0.2, -0.5, 1.0, 0.7)
    cuts = drawn(PLAIN, 40, homes=((-1.0, -1.0, 1.0, 1.0), right))
    corners = cuts.matrix[0, 1::2] @ torch.tensor([[-1.0, 1], [-1, 1], [1, 1]])
    assert corners[:, 0].min() >= 0.2 - 1e-5
    assert corners[:, 1].min() >= -0.5 - 1e-5 and corners[:, 1].max() <= 0.7 + 1e-5
    assert cuts.matrix[0, 0::2, 0, 2].min() < -0.2


def test_overlap_is_the_share_of_the_cut_inside_the_region():
    mask = torch.zeros(1, 40, 40)
    mask[:, :, 20:] = 1
    centres = torch.tensor([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.0]])
    matrix = warps.placed(centres, torch.full((4, 2), 0.5))
    share = cutouts.overlap(mask, Cuts(matrix[None], torch.full((1, 4), 20.0)))[0, :, 0]
    torch.testing.assert_close(share, torch.tensor([0, 1, 0.5, 0.5]), atol=0.02, rtol=0)


def test_perspectives_send_corners_to_corners():
    square = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    corners = square * torch.tensor([0.9, 0.6]) + 0.05 * torch.randn(5, 4, 2, generator=generator(1, "x"))
    matrix = warps.perspective(corners)
    sent = matrix @ torch.cat([square, torch.ones(4, 1)], 1).T
    torch.testing.assert_close((sent[:, :2] / sent[:, 2:]).mT, corners, atol=1e-4, rtol=0)


def test_no_perspective_turns_the_canvas_inside_out():
    cuts = drawn(replace(PRESETS["pooled"], bent=1.0), 2000, strength=2.0)
    square = torch.tensor([[-1.0, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
    assert (cuts.matrix[0] @ square)[:, 2].min() > 0


def test_colours():
    one_, zero = torch.ones(1), torch.zeros(1)
    grey, red = torch.full((3,), 0.5), torch.tensor([1.0, 0, 0])

    def changed(rgb: torch.Tensor, *how: torch.Tensor) -> torch.Tensor:
        matrix = warps.colours(*how)[0]
        return matrix[:, :3] @ rgb + matrix[:, 3]

    torch.testing.assert_close(changed(red, one_, one_, one_, zero), red, atol=1e-5, rtol=0)
    torch.testing.assert_close(changed(grey, one_ * 1.2, one_, one_, zero), grey * 1.2)
    torch.testing.assert_close(changed(grey, one_, one_ * 3, one_, zero), grey)
    torch.testing.assert_close(changed(red, one_, one_, zero, zero), torch.full((3,), 0.299))
    torch.testing.assert_close(changed(grey, one_, one_, one_, one_ * 0.3), grey, atol=1e-2, rtol=0)
    turned = changed(red, one_, one_, one_, one_ / 3)
    assert turned.argmax() != 0  # a third of a turn makes red another primary
