from __future__ import annotations

import math

import pytest
import torch

from common.errors import BadRequest
from pipelines.vqgan_clip.camera import CameraPath, from_rows, parse
from pipelines.vqgan_clip.view import FILLS, STILL, UNMOVED, Motion, covered, inverse, matrix, times, warp, warp_latent


def smooth(height: int = 48, width: int = 80) -> torch.Tensor:
    """A picture without edges, so that resampling it costs next to nothing."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 5, width), indexing="ij")
    return torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] * 0.4 + 0.5


def inner(pixels: torch.Tensor, margin: int = 8) -> torch.Tensor:
    return pixels[..., margin:-margin, margin:-margin]


def test_a_table_is_read():
    path = parse("0: 1.02, 1.5, -2, 3\n\n# slower\n 12 : 1 ;24:0.98,,,-1", 25)
    assert path.keyframes == ((0, Motion(1.02, 1.5, -2, 3)), (12, STILL), (24, Motion(0.98, 0, 0, -1)))
    assert parse(path.text(), 25) == path


def test_rows_of_a_data_frame_are_read():
    rows = [[5, 1.1, None, 2, float("nan")], ["0", "1.0", "", " ", None], [None] * 5, [9]]
    assert from_rows(rows, 10).keyframes == ((0, STILL), (5, Motion(1.1, 0, 2, 0)), (9, STILL))


@pytest.mark.parametrize("text", ["", "  \n# nothing\n"])
def test_an_empty_table_is_a_camera_that_stays(text):
    path = parse(text, 5)
    assert [path.motion(frame) for frame in range(5)] == [STILL] * 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1.02 0 0", 'The row "0 1.02 0 0" of the camera path has no colon'),
        ("24: 1", "goes on to frame 24, but the film has 24 frames, 0 to 23; make the film longer"),
        ("1e9: 1", "goes on to frame 1000000000"),
        ("-1: 1", 'begins with "-1"; allowed is a frame\'s number'),
        ("1.5: 1", 'begins with "1.5"'),
        ("x: 1", 'begins with "x"'),
        (": 1", "begins with None"),
        ("3: 1\n3: 2", "names frame 3 twice"),
        ("3: 1,0,0,0,0", "has 6 values; there are five: frame: zoom, pan x"),
        ("3: 0", 'Zoom at frame 3 of the camera path is "0"; allowed is a number from 0.5 to 2'),
        ("3: 1, 51", 'Pan x at frame 3 of the camera path is "51"; allowed is a number from -50 to 50'),
        ("3: 1, 0, nan", 'Pan y at frame 3 of the camera path is "nan"'),
        ("3: 1, 0, 0, inf", 'Rotate at frame 3 of the camera path is "inf"'),
        ("3: __import__('os')", "Zoom at frame 3"),
        ("\n".join(f"{frame}: 1" for frame in range(201)), "has more than 200 rows"),
    ],
)
def test_tables_that_cannot_be_followed_are_refused_in_one_sentence(text, words):
    with pytest.raises(BadRequest) as caught:
        parse(text, 24 if len(text) < 100 else 1000)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert len(message) < 220


@pytest.mark.parametrize("cell", [True, [1], {"a": 1}, "9" * 5000])
def test_cells_of_other_kinds_are_refused(cell):
    with pytest.raises(BadRequest, match="camera path"):
        from_rows([[0, cell]], 24)
    with pytest.raises(BadRequest, match="camera path"):
        parse(cell, 24)


def test_between_keyframes_the_motion_changes_evenly():
    path = parse("4: 1, 0, 10, 0\n8: 1.21, 4, -10, 8", 20)
    assert path.motion(0) == path.motion(4) == Motion(1, 0, 10, 0)
    assert path.motion(6) == Motion(pytest.approx(1.1), 2, 0, 4)  # equal factors, not equal amounts
    assert path.motion(5).pan_y == 5
    assert path.motion(8) == path.motion(19) == Motion(pytest.approx(1.21), 4, -10, 8)


@pytest.mark.parametrize("fill", FILLS)
def test_a_camera_that_stays_changes_no_pixel(fill):
    pixels = torch.rand(2, 3, 15, 9)
    assert warp(pixels, matrix(STILL, 9, 15), fill) is pixels


@pytest.mark.parametrize("fill", FILLS)
def test_pans_by_whole_pixels_only_move_them(fill):
    pixels = torch.rand(2, 3, 20, 40)
    right = warp(pixels, matrix(Motion(pan_x=10), 40, 20), fill)  # 4 pixels
    assert torch.allclose(right[..., :-6], pixels[..., 4:-2], atol=1e-5)
    down = warp(pixels, matrix(Motion(pan_y=-25), 40, 20), fill)  # 5 pixels upwards
    assert torch.allclose(down[..., 7:, :], pixels[..., 2:-5, :], atol=1e-5)


def test_what_comes_into_view_is_filled():
    pixels = torch.rand(1, 3, 20, 40)
    view = matrix(Motion(pan_x=10), 40, 20)
    assert torch.allclose(warp(pixels, view, "wrap"), pixels.roll(-4, -1), atol=1e-5)
    assert torch.allclose(warp(pixels, view, "edge")[..., -1], pixels[..., -1], atol=1e-5)
    assert torch.allclose(warp(pixels, view, "reflect")[..., -4:], pixels[..., -4:].flip(-1), atol=1e-5)
    assert (warp(pixels, view, "black")[..., -2:] == 0).all()
    up = warp(pixels, matrix(Motion(pan_y=-25), 40, 20), "wrap")
    assert torch.allclose(up, pixels.roll(5, -2), atol=1e-5)


def test_what_was_inside_is_told():
    pixels = torch.rand(2, 3, 20, 40)
    view = matrix(Motion(pan_x=10), 40, 20)
    inside = covered(pixels, view)
    assert inside.shape == (2, 1, 20, 40)
    assert (inside[..., :36] == 1).all()
    assert (inside[..., 37:] == 0).all()
    assert (covered(pixels, view, "wrap") == 1).all()
    assert (covered(pixels, UNMOVED) == 1).all()


def test_zoom_comes_closer_to_the_centre():
    pixels = torch.zeros(1, 3, 64, 64)
    pixels[..., 24:40, 24:40] = 1
    closer = warp(pixels, matrix(Motion(zoom=2), 64, 64))
    assert closer[..., 18:46, 18:46].min() > 0.99
    assert closer[..., :14, :].max() < 0.01
    assert warp(pixels, matrix(Motion(zoom=0.5), 64, 64)).mean() < pixels.mean() + 0.2


def test_turning_clockwise_turns_the_picture_the_other_way_and_keeps_its_shape():
    pixels = torch.zeros(1, 3, 40, 80)
    pixels[..., 18:22, 60:64] = 1  # right of the centre by 22 pixels
    view = matrix(Motion(rotate=45), 80, 40)
    turned = warp(pixels, view, "black")
    at = (turned[0, 0] > 0.5).nonzero().float().mean(0) + 0.5 - torch.tensor([20.0, 40.0])
    assert at.tolist() == pytest.approx([-22 / math.sqrt(2), 22 / math.sqrt(2)], abs=1)  # up and to the right


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (Motion(zoom=1.13), Motion(zoom=1 / 1.13)),
        (Motion(pan_x=3.3, pan_y=-2.7), Motion(pan_x=-3.3, pan_y=2.7)),
        (Motion(rotate=7), Motion(rotate=-7)),
    ],
)
def test_there_and_back_again_is_where_it_began(there, back):
    pixels = smooth()
    view = times(matrix(there, 80, 48), matrix(back, 80, 48))
    assert torch.allclose(torch.tensor(view), torch.tensor(matrix(STILL, 80, 48)), atol=1e-12)
    back_again = warp(warp(pixels, matrix(there, 80, 48)), matrix(back, 80, 48))
    assert (inner(back_again) - inner(pixels)).abs().max() < 2e-3


def test_a_hundred_moves_do_not_drift():
    pixels = smooth()
    moved = pixels
    for step in range(100):
        moved = warp(moved, matrix(Motion(pan_x=0.9 * (-1) ** step, rotate=1.1 * (-1) ** step), 80, 48))
    # Moves that pan and turn do not undo each other exactly; this is where the hundred of them lead in one step.
    view = matrix(STILL, 80, 48)
    for step in range(100):
        view = times(view, matrix(Motion(pan_x=0.9 * (-1) ** step, rotate=1.1 * (-1) ** step), 80, 48))
    assert (inner(moved) - inner(warp(pixels, view))).abs().max() < 0.02


def test_nothing_is_rounded_to_eight_bits():
    pixels = torch.full((1, 3, 8, 8), 0.5001)
    assert torch.allclose(warp(pixels, matrix(Motion(zoom=1.1), 8, 8)), pixels, atol=1e-6)


def test_the_views_of_a_path_are_its_motions_after_each_other():
    path = parse("0: 1.1, 2, 0, 3\n5: 1, 0, 4, -6", 6)
    pixels = smooth()
    moved = pixels
    for frame, view in enumerate(path.views(6, 80, 48)):
        if frame:
            moved = warp(moved, matrix(path.motion(frame), 80, 48))
        assert (inner(warp(pixels, view), 14) - inner(moved, 14)).abs().max() < 0.02
    assert frame == 5


def test_the_inverse_of_a_view_undoes_it():
    view = matrix(Motion(1.3, 7, -4, 20), 80, 48)
    for undone in (times(view, inverse(view)), times(inverse(view), view)):
        assert torch.allclose(torch.tensor(undone), torch.tensor(UNMOVED), atol=1e-12)


@pytest.mark.parametrize("fill", FILLS)
def test_a_latent_moves_with_its_picture_and_stays_in_its_range(fill):
    latent = torch.rand(1, 5, 6, 10) * 40 - 10
    view = matrix(Motion(1.2, 3, -5, 8), 80, 48)
    moved = warp_latent(latent, view, fill)
    assert latent.min() <= moved.min() and moved.max() <= latent.max()
    up = torch.nn.functional.interpolate(latent[:, :3], scale_factor=8, mode="bilinear")
    beside = torch.nn.functional.interpolate(moved[:, :3], scale_factor=8, mode="bilinear")
    seen = torch.nn.functional.grid_sample(
        up,
        torch.nn.functional.affine_grid(torch.tensor([view]).float(), list(up.shape), align_corners=False),
        align_corners=False,
    )
    apart = (inner(beside, 12) - inner(seen, 12)).abs().mean()
    assert apart < (inner(up, 12) - inner(seen, 12)).abs().mean() / 2
    assert warp_latent(latent, UNMOVED, fill) is latent


def test_unknown_fills_are_refused():
    with pytest.raises(ValueError, match="fill is 'mirror', allowed are reflect, edge, wrap, black"):
        warp(smooth(), matrix(Motion(zoom=1.1), 80, 48), "mirror")


def test_no_graph_is_kept():
    assert not warp(smooth().requires_grad_(), matrix(Motion(zoom=1.1), 80, 48)).requires_grad


def test_a_path_is_plain_data():
    assert CameraPath(((0, STILL),)).text() == "0: 1, 0, 0, 0"
