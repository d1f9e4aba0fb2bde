"""Real networks of tiny size: a VQGAN of factor 4, a CLIP with a ViT and one with a CNN, and services over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.spec import LoadContext, ModelSpec, Range
from pipelines.services import Services
from pipelines.vqgan_clip.request import VqganClipRequest
from tests.models.tiny_hub import save_open_clip

SIZES = {"width": Range(16, 128, 4, 32), "height": Range(16, 128, 4, 32)}


def tiny_vqgan() -> Any:
    """A `Vqgan` of factor 4 with 64 codes of 4 channels and random weights."""
    import torch
    from diffusers import VQModel

    from models.families.vqgan import Vqgan

    torch.manual_seed(0)
    network = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        latent_channels=4,
        num_vq_embeddings=64,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    network.quantize.embedding.weight.data.normal_()
    network.decoder.conv_out.weight.data.mul_(4)  # pictures with some contrast
    return Vqgan(network)


def save_cnn_clip(folder: Path) -> None:
    """An open_clip folder whose image tower is a small EfficientNet with batch normalisation."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    vision = {"timm_model_name": "test_efficientnet", "timm_model_pretrained": False, "image_size": 64}
    vision |= {"timm_pool": "avg", "timm_proj": "linear"}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    picture = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": picture}))
    torch.manual_seed(1)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after a training, so that folding changes something
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "open_clip_model.safetensors")


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    save_open_clip(folder / "vit")
    save_cnn_clip(folder / "cnn")
    return folder


def _ranker(folder: Path) -> Any:
    import open_clip

    from models.families.clip import OpenClipRanker

    name = f"local-dir:{folder}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    return OpenClipRanker(model, preprocess, open_clip.get_tokenizer(name))


@pytest.fixture(scope="session")
def vit(clip_folder: Path) -> Any:
    return _ranker(clip_folder / "vit")


@pytest.fixture(scope="session")
def cnn(clip_folder: Path) -> Any:
    return _ranker(clip_folder / "cnn")


@pytest.fixture(scope="session")
def vqgan() -> Any:
    return tiny_vqgan()


def _spec(name: str, role: str, load: Callable[[LoadContext], Any], **more: Any) -> ModelSpec:
    about = {"pack": "starter", "source": name, "revision": None, "licence": "MIT", "download_mb": 1, "memory_mb": 1}
    return ModelSpec(name=name, title=name.title(), role=role, load=load, **{**about, **more})


@pytest.fixture
def services(settings: Any, clip_folder: Path, vqgan: Any) -> Services:
    """The VQGAN "tiny" and the rankers "vit" (the default) and "cnn"."""
    from models.catalog import Catalog
    from models.clip_scorer import ClipScorer
    from models.pool import ModelPool

    specs = [
        _spec("tiny", "vqgan", lambda context: vqgan, controls=SIZES),
        _spec("vit", "ranker", lambda context: _ranker(clip_folder / "vit")),
        _spec("cnn", "ranker", lambda context: _ranker(clip_folder / "cnn")),
    ]
    for spec in specs:
        (settings.weights / spec.source).mkdir(parents=True)
        (settings.weights / spec.source / "made-of-code").touch()
    catalog = Catalog(specs, settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))


ASKED = VqganClipRequest(
    "a red car", cuts=4, steps=3, seed=7, coarse=0, start="noise", rate=0.2, preset="classic", start_weight=0.0
)


@pytest.fixture
def asked(services: Services) -> Callable[..., VqganClipRequest]:
    """`asked(**changes)`: a small request, resolved."""
    return lambda **changes: replace(ASKED, **changes).resolve(services.catalog)


@pytest.fixture
def optimisation(vqgan: Any, vit: Any, asked: Callable[..., VqganClipRequest]) -> Callable[..., Any]:
    """`optimisation(**changes of the request)` of the tiny VQGAN and the ViT."""
    from pipelines.vqgan_clip.optimisation import Optimisation

    def make(pictures: Any = None, clips: Any = None, chunk: int = 1000, **changes: Any) -> Any:
        return Optimisation(vqgan, clips or [vit], asked(**changes), pictures, chunk)

    return make
