from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipelines.vqgan_clip.judging import Judge
from pipelines.vqgan_clip.pictures import Pictures, admitted
from pipelines.vqgan_clip.request import ImagePrompt, Region


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8))


def test_the_score_is_the_weighted_mean_of_the_last_scene(services, asked):
    images = [noise(1), noise(2)]
    request = asked(prompts="nothing of this ^ a cat:3 | fog:-1", regions=(Region("a tree:2", noise(1).convert("L")),))
    found = Judge(request, Pictures(), services, None).scores(images)
    with services.pool.use("cnn") as ranker:
        cosines = ranker.encode_images(images) @ ranker.encode_texts(["a cat", "fog", "a tree"]).T
    expected = (3 * cosines[:, 0] - cosines[:, 1] + 2 * cosines[:, 2]) / 6
    assert found == pytest.approx(expected.tolist(), abs=1e-4)


def test_image_prompts_count_and_noise_does_not(services, asked):
    request = asked(prompts="", image_prompts=(ImagePrompt(noise(1)),), noise_prompts="4")
    found = Judge(request, admitted(request, services.settings), services, None).scores([noise(1), noise(2)])
    assert found[0] == pytest.approx(1, abs=1e-5) and found[1] < found[0] - 1e-4
    assert Judge(asked(prompts="", noise_prompts="4"), Pictures(), services, None).scores([noise(1)]) == [0.0]
