"""Services for the tests of films: a VQGAN whose codes are colours, and a ranker that sees mean colours.

So what comes out means something: optimised for "red" the canvas turns red, and encoded pictures look like themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.settings import Settings
from models.catalog import Catalog
from models.clip_scorer import ClipScorer
from models.pool import ModelPool
from models.spec import LoadContext, ModelSpec, Range
from pipelines.services import Services
from tests.tabs.tiny_pack import TinyJudge

if TYPE_CHECKING:
    from models.families.vqgan_model import Vqgan

FACTOR = 4


def network(codes: int = 64, channels: int = 3) -> Any:
    """A real VQModel of factor 4 with random weights."""
    import torch
    from diffusers import VQModel

    torch.manual_seed(0)
    return VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=channels,
        vq_embed_dim=channels,
        num_vq_embeddings=codes,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )


def load_random(context: LoadContext) -> Vqgan:
    """The real thing, with weights that mean nothing."""
    from models.families.vqgan_model import Vqgan

    return Vqgan(network()).to(context.device)


def load_colours(context: LoadContext) -> Vqgan:
    """A VQGAN whose 216 codes are colours: a cell shows its colour on 4 x 4 pixels."""
    import torch
    import torch.nn.functional as F

    from models.families.vqgan_model import Vqgan

    class ColourVqgan(Vqgan):
        def codes(self, pixels: Any) -> Any:
            return self.indices(F.avg_pool2d(pixels.float(), FACTOR).to(self.device) * 2 - 1)

        def decode(self, z_q: Any) -> Any:
            return F.interpolate((z_q.float() + 1) / 2, scale_factor=FACTOR, mode="nearest")

    made = network(codes=216)
    levels = torch.linspace(-1, 1, 6)
    with torch.no_grad():
        made.quantize.embedding.weight.copy_(torch.cartesian_prod(levels, levels, levels))
    return ColourVqgan(made).to(context.device)


def _spec(name: str, role: str, load: Any, **more: Any) -> ModelSpec:
    about = {"pack": "starter", "source": name, "revision": None, "licence": "MIT", "download_mb": 1, "memory_mb": 1}
    return ModelSpec(name=name, title=name.title(), role=role, load=load, **{**about, **more})


SIZES = {"width": Range(16, 128, FACTOR, 32), "height": Range(16, 128, FACTOR, 32)}
SPECS = (
    _spec("colours", "vqgan", load_colours, controls=SIZES),
    _spec("random", "vqgan", load_random, controls=SIZES),
    _spec("mean-colour", "ranker", lambda context: TinyJudge()),
)


def film_services(folder: Path) -> Services:
    """Services over these models, with every folder inside `folder`."""
    settings = Settings(
        models="starter",
        device="cpu",
        precision="fp32",
        max_memory_gb=1.0,
        output=folder / "outputs",
        weights=folder / "weights",
        hub_folder=folder / "hub",
    )
    for spec in SPECS:
        (settings.weights / spec.source).mkdir(parents=True)
        (settings.weights / spec.source / "made-of-code").touch()
    catalog = Catalog(SPECS, settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))
