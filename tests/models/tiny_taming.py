"""Small VQGANs in the published layout of taming-transformers, computed by a plain second implementation.

Written after the paper (Esser et al. 2021) and the names in the published checkpoints; nothing of diffusers is used, so
that what is converted is compared with something else than itself.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

USUAL = {"double_z": False, "in_channels": 3, "out_ch": 3, "ch": 32, "num_res_blocks": 1, "dropout": 0.0}


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


def conv(into: int, out: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(into, out, size, padding=size // 2)


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = norm(into), conv(into, out), norm(out), conv(out, out)
        if into != out:
            self.nin_shortcut = conv(into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    """One head over all positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.q, self.k, self.v, self.proj_out = (conv(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2) for part in (self.q, self.k, self.v))  # (N, C, h*w)
        weights = (q.transpose(1, 2) @ k * q.shape[1] ** -0.5).softmax(-1)  # (N, to, from)
        return x + self.proj_out((v @ weights.transpose(1, 2)).view_as(x))


class Level(nn.Module):
    """The blocks at one resolution and what leads to the next."""

    def __init__(self, channels: list[int], attends: bool, change: str | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(*pair) for pair in pairwise(channels))
        self.attn = nn.ModuleList(Attention(c) for c in channels[1:] if attends)
        if change:
            stride, padding = (2, 0) if change == "downsample" else (1, 1)
            setattr(self, change, nn.ModuleDict({"conv": nn.Conv2d(channels[-1], channels[-1], 3, stride, padding)}))

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.block):
            x = block(x)
            x = self.attn[index](x) if len(self.attn) else x
        if hasattr(self, "downsample"):
            return self.downsample["conv"](F.pad(x, (0, 1, 0, 1)))
        return self.upsample["conv"](F.interpolate(x, scale_factor=2.0)) if hasattr(self, "upsample") else x


class Middle(nn.Module):
    def __init__(self, channels: int, attention: bool) -> None:
        super().__init__()
        self.block_1, self.block_2 = Block(channels, channels), Block(channels, channels)
        if attention:
            self.attn_1 = Attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block_1(x)
        return self.block_2(self.attn_1(x) if hasattr(self, "attn_1") else x)


class Encoder(nn.Module):
    def __init__(self, dd: dict[str, Any]) -> None:
        super().__init__()
        attention, size, width = dd.get("attn_type") != "none", dd["resolution"], dd["ch"]
        self.conv_in, self.down = conv(3, width), nn.ModuleList()
        for level, times in enumerate(dd["ch_mult"]):
            channels = [width] + [dd["ch"] * times] * dd["num_res_blocks"]
            last = level == len(dd["ch_mult"]) - 1
            attends = attention and size in dd["attn_resolutions"]
            self.down.append(Level(channels, attends, None if last else "downsample"))
            width, size = channels[-1], size // 2
        self.mid, self.norm_out, self.conv_out = Middle(width, attention), norm(width), conv(width, dd["z_channels"])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    def __init__(self, dd: dict[str, Any]) -> None:
        super().__init__()
        attention, count = dd.get("attn_type") != "none", len(dd["ch_mult"])
        size, width = dd["resolution"] // 2 ** (count - 1), dd["ch"] * dd["ch_mult"][-1]
        self.conv_in, self.mid = conv(dd["z_channels"], width), Middle(width, attention)
        levels = []
        for level in reversed(range(count)):
            channels = [width] + [dd["ch"] * dd["ch_mult"][level]] * (dd["num_res_blocks"] + 1)
            attends = attention and size in dd["attn_resolutions"]
            levels.insert(0, Level(channels, attends, "upsample" if level else None))
            width, size = channels[-1], size * 2
        self.up, self.norm_out, self.conv_out = nn.ModuleList(levels), norm(width), conv(width, 3)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Taming(nn.Module):
    """Encoder, codes and decoder; pixels are in [-1, 1]."""

    def __init__(self, dd: dict[str, Any], n_embed: int, embed_dim: int, gumbel: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(dd), Decoder(dd)
        self.quant_conv, self.post_quant_conv = (
            conv(dd["z_channels"], embed_dim, 1),
            conv(embed_dim, dd["z_channels"], 1),
        )
        self.gumbel, self.codes = gumbel, nn.Embedding(n_embed, embed_dim)
        parts = {"embed": self.codes, "proj": conv(embed_dim, n_embed, 1)} if gumbel else {"embedding": self.codes}
        self.quantize = nn.ModuleDict(parts)

    @torch.no_grad()
    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The codes (N, h, w) and the reconstruction (N, 3, H, W)."""
        z = self.quant_conv(self.encoder(image))
        if self.gumbel:
            indices = self.quantize["proj"](z).argmax(1)
        else:
            indices = torch.cdist(z.permute(0, 2, 3, 1), self.codes.weight[None]).argmin(-1)
        z_q = self.codes(indices).permute(0, 3, 1, 2)
        return indices, self.decoder(self.post_quant_conv(z_q))


def make(gumbel: bool = False, n_embed: int = 48, embed_dim: int = 8, **ddconfig: Any) -> tuple[Taming, dict[str, Any]]:
    """A VQGAN with random weights, and the content of its YAML file."""
    dd = {**USUAL, "z_channels": embed_dim, **ddconfig}
    torch.manual_seed(0)
    model = Taming(dd, n_embed, embed_dim, gumbel).eval()
    for name, value in model.named_parameters():
        nn.init.normal_(value, 1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
    model.codes.weight.data.mul_(10)
    target = "taming.models.vqgan.GumbelVQ" if gumbel else "taming.models.vqgan.VQModel"
    params = {"embed_dim": embed_dim, "n_embed": n_embed, "ddconfig": dd, "lossconfig": {"target": "some.Loss"}}
    return model, {"model": {"base_learning_rate": 4.5e-6, "target": target, "params": params}}


def state_of(model: Taming, prefix: str = "") -> dict[str, Tensor]:
    """The weights by their published names, with what training leaves beside them."""
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("codes.")}
    state |= {"loss.discriminator.main.0.weight": torch.ones(2, 3, 4, 4), "loss.logvar": torch.zeros(())}
    return {prefix + name: value for name, value in state.items()}


def save(folder: Path, config: dict[str, Any], content: Any, **how: Any) -> tuple[Path, Path]:
    """`model.yaml` and `last.ckpt` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "model.yaml", folder / "last.ckpt"
    paths[0].write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.save(content, paths[1], **how)
    return paths
