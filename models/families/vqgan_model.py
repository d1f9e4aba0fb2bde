"""A VQGAN seen the way VQGAN+CLIP needs it, around a diffusers `VQModel`.

A latent z lives in codebook space: after `quant_conv`, before `post_quant_conv` (Esser et al. 2021, section 3.1).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest, ModelUnavailable
from models.families.vqgan_folders import WEIGHTS, factor_of

if TYPE_CHECKING:
    import torch
    from diffusers import VQModel
    from torch import Tensor

SCORES_AT_ONCE = 2**24  # 64 MB of float32: tokens × codes that are compared in one go


class Vqgan:
    """A frozen VQGAN. Latents and codes are float32, whatever the precision of the network.

    `factor`: pixels per latent cell, each way. `channels`: C of a latent. `codebook`: (V, C). `low`, `high`:
    (1, C, 1, 1), the box around all codes. `network`: the `VQModel` itself.
    """

    def __init__(self, network: VQModel, projection: tuple[Tensor, Tensor] | None = None) -> None:
        """`projection`: weight (V, C) and bias (V,) by which a Gumbel VQGAN's encoder chooses codes."""
        self.network = network.eval().requires_grad_(False)
        self.projection = projection
        self.factor = factor_of(network.config)
        # aMUSEd's VQGAN was trained on pixels in [0, 1], all others on [-1, 1]; this switch of diffusers is its mark.
        self.scale = 1.0 if network.config.lookup_from_codebook else 2.0
        self.spatial = network.config.norm_type == "spatial"
        self.to(str(network.device))
        self.channels = self.codebook.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the network and the codebook are."""
        return self.codebook.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which the network works."""
        return self.network.decoder.conv_in.weight.dtype

    def to(self, device: str) -> Vqgan:
        """Move everything to `device`."""
        import torch

        # On CUDA half-precision convolutions read pixels before channels; any other order is copied at every layer.
        order = torch.channels_last if str(device).startswith("cuda") else torch.contiguous_format
        self.network.to(device, memory_format=order)
        self.codebook = self.network.quantize.embedding.weight.detach().float()
        self.half_norms = self.codebook.square().sum(1) / 2  # |e|²/2 of every code
        self.low, self.high = (edge[None, :, None, None] for edge in (self.codebook.amin(0), self.codebook.amax(0)))
        if self.projection is not None:
            weight, bias = self.projection
            self.projection = weight.to(device), bias.to(device)
        return self

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] -> their quantised latent (N, C, H / factor, W / factor), without gradient.

        Raises BadRequest when a side is not a multiple of the factor.
        """
        return self.rows(self.codes(pixels))

    def codes(self, pixels: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] -> the codes that the encoder chooses, (N, h, w) int64."""
        import torch

        height, width = pixels.shape[-2:]
        if height % self.factor or width % self.factor or not height or not width:
            raise BadRequest(f"The picture is {width}×{height} pixels; both must be multiples of {self.factor}.")
        with torch.no_grad():
            inputs = (pixels * self.scale - (self.scale - 1)).to(self.device, self.dtype)
            latent = self.network.encode(inputs).latents
            if self.projection is None:
                return self.indices(latent)
            weight, bias = self.projection
            return self._best(latent, weight, bias)

    def indices(self, z: Tensor) -> Tensor:
        """The nearest code of every cell of z (N, C, h, w): (N, h, w) int64."""
        # |z - e|² = |z|² - 2 z·e + |e|², and |z|² is the same for all codes: nearest is where z·e - |e|²/2 is largest.
        return self._best(z, self.codebook, -self.half_norms)

    def quantise(self, z: Tensor) -> Tensor:
        """z (N, C, h, w) with every cell replaced by its nearest code, without gradient."""
        return self.rows(self.indices(z))

    def rows(self, indices: Tensor) -> Tensor:
        """The latent (N, C, h, w) that codes (N, h, w) stand for."""
        return self.codebook[indices].permute(0, 3, 1, 2).contiguous()

    def decode(self, z_q: Tensor) -> Tensor:
        """A quantised latent (N, C, h, w) -> pixels (N, 3, H, W) float32, about [0, 1] and not clamped.

        Gradients flow to `z_q`; it is not quantised here, so what lies between codes is decoded as it is.
        """
        z_q = z_q.to(self.dtype)
        output = self.network.decoder(self.network.post_quant_conv(z_q), z_q if self.spatial else None)
        return (output.float() + (self.scale - 1)) / self.scale

    def random(self, n: int, h: int, w: int, generator: torch.Generator | None = None) -> Tensor:
        """A latent (n, C, h, w) of codes drawn uniformly; on any device the same for a CPU generator's state."""
        import torch

        place = generator.device if generator is not None else "cpu"
        drawn = torch.randint(len(self.codebook), (n, h, w), generator=generator, device=place)
        return self.rows(drawn.to(self.device))

    def checkpoint(self, on: bool) -> None:
        """Whether the decoder forgets what is inside its blocks and computes it again on the way back."""
        from torch.utils.checkpoint import checkpoint

        # `enable_gradient_checkpointing` refuses for VQModel though its decoder can; this is the switch beneath it.
        again = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)  # nothing random is inside
        self.network._set_gradient_checkpointing(on, again)

    def _best(self, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The row of `weight` (V, C) with the largest product with each cell of z, plus `bias` (V,): (N, h, w)."""
        import torch

        n, _, h, w = z.shape
        # In half precision neighbouring codes would tie, so a caller's autocast ends here.
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            tokens = z.detach().float().permute(0, 2, 3, 1).reshape(n * h * w, -1)
            parts = tokens.split(max(1, SCORES_AT_ONCE // len(weight)))
            return torch.cat([torch.addmm(bias, part, weight.T).argmax(1) for part in parts]).view(n, h, w)


def read_folder(folder: Path, dtype: torch.dtype, device: str = "cpu") -> Vqgan:
    """The VQGAN in a folder with a `VQModel`, and the Gumbel projection beside it if there is one.

    Raises ModelUnavailable when weights are missing, and what diffusers and safetensors raise for damaged files.
    """
    import torch
    from diffusers import VQModel
    from safetensors.torch import load_file

    files = [path.name for path in folder.glob(WEIGHTS) if path.suffix in (".safetensors", ".bin")]
    network, report = VQModel.from_pretrained(
        folder,
        torch_dtype=torch.float32,
        variant="fp16" if all(".fp16." in name for name in files) else None,
        local_files_only=True,
        output_loading_info=True,
    )
    if report["missing_keys"]:
        raise ModelUnavailable(f"{folder.name} lacks weights of its VQModel: {sorted(report['missing_keys'])[0]}.")
    projection = None
    if (path := folder / "projection.safetensors").is_file():
        loaded = load_file(path)
        projection = loaded["weight"].float(), loaded["bias"].float()
    if not (dtype == torch.float16 and network.config.force_upcast):  # such a one overflows in fp16: black pictures
        for layers in (network.encoder, network.quant_conv, network.post_quant_conv, network.decoder):
            layers.to(dtype)  # all but the codebook
    return Vqgan(network, projection).to(device)
