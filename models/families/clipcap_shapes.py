"""What a ClipCap checkpoint is, read from the shapes of its weights alone, and whether they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import BadRequest

Shapes = Mapping[str, tuple[int, ...]]
MAPPER, GPT = "clip_project.", "gpt."
HEADS = 8  # of the Transformer mapper; no shape tells it, and the original knows no other number


@dataclass(frozen=True)
class ClipCapPlan:
    """The sizes of a ClipCap.

    `kind`: "mlp" or "transformer". `clip_size`: of CLIP's vectors. `prefix`: P, `width`: D of a word's vector.
    `widths`: of the MLP's layers, ends included. `clip_length`, `layers`, `inner`: of the Transformer mapper.
    """

    kind: str
    clip_size: int
    prefix: int
    width: int
    widths: tuple[int, ...] = ()
    clip_length: int = 0
    layers: int = 0
    inner: int = 0


def read_plan(shapes: Shapes, gpt2: Mapping[str, Any]) -> ClipCapPlan:
    """The plan of a checkpoint with these names and shapes, whose language model has the config `gpt2`.

    Raises BadRequest that names the first two facts that contradict each other, or the first weight that is missing.
    """
    width = _check_language_model(shapes, gpt2)
    transformer = f"{MAPPER}prefix_const" in shapes
    plan = _transformer_plan(shapes, width) if transformer else _mlp_plan(shapes, width)
    if plan.prefix >= gpt2["n_positions"]:
        raise BadRequest(
            f"The mapper makes a prefix of {plan.prefix} vectors, but the language model reads only "
            f"{gpt2['n_positions']} positions."
        )
    return plan


def _mlp_plan(shapes: Shapes, width: int) -> ClipCapPlan:
    start = f"{MAPPER}model."
    numbers = sorted(int(name[len(start) : -7]) for name in shapes if name.startswith(start) and _is_weight(name))
    if not numbers:
        raise BadRequest("The checkpoint has no mapper: neither clip_project.model nor clip_project.prefix_const.")
    widths: list[int] = []
    for number in numbers:
        name = f"{start}{number}.weight"
        wide, narrow = _matrix(shapes, name)
        if widths and narrow != widths[-1]:
            raise BadRequest(f"{name} takes {narrow} values, but the layer before it gives {widths[-1]}.")
        _expect(shapes, f"{start}{number}.bias", (wide,), f"{name} gives {wide} values")
        widths += [wide] if widths else [narrow, wide]
    if widths[-1] % width:
        raise BadRequest(
            f"{start}{numbers[-1]}.weight gives {widths[-1]} values, which is no multiple of {width}, the width of the "
            "language model."
        )
    return ClipCapPlan("mlp", widths[0], widths[-1] // width, width, tuple(widths))


def _transformer_plan(shapes: Shapes, width: int) -> ClipCapPlan:
    prefix, mapper_width = _matrix(shapes, f"{MAPPER}prefix_const")
    if mapper_width != width:
        raise BadRequest(
            f"{MAPPER}prefix_const has vectors of {mapper_width} values, but the language model's have {width}."
        )
    if width % HEADS:
        raise BadRequest(f"The mapper's width is {width}, which its {HEADS} heads cannot share.")
    wide, clip_size = _matrix(shapes, f"{MAPPER}linear.weight")
    if wide % width:
        raise BadRequest(f"{MAPPER}linear.weight gives {wide} values, which is no multiple of the width {width}.")
    _expect(shapes, f"{MAPPER}linear.bias", (wide,), f"{MAPPER}linear.weight gives {wide} values")
    start = f"{MAPPER}transformer.layers."
    layers = len({name[len(start) :].partition(".")[0] for name in shapes if name.startswith(start)})
    if not layers:
        raise BadRequest(f"The mapper has no layers: there is no {start}0.")
    inner, _ = _matrix(shapes, f"{start}0.mlp.fc1.weight")
    for layer in range(layers):
        for name, shape in _layer_shapes(width, inner).items():
            _expect(
                shapes, f"{start}{layer}.{name}", shape, f"the mapper's width is {width} and that of its MLPs {inner}"
            )
    return ClipCapPlan("transformer", clip_size, prefix, width, (), wide // width, layers, inner)


def _layer_shapes(width: int, inner: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"attn.to_queries.weight": (width, width)}
    shapes |= {"attn.to_keys_values.weight": (2 * width, width), "attn.project.weight": (width, width)}
    shapes |= {"attn.project.bias": (width,), "mlp.fc1.weight": (inner, width), "mlp.fc1.bias": (inner,)}
    shapes |= {"mlp.fc2.weight": (width, inner), "mlp.fc2.bias": (width,)}
    return shapes | {f"norm{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}


def _check_language_model(shapes: Shapes, gpt2: Mapping[str, Any]) -> int:
    """The width of GPT-2, every weight of which is there in the shape that its config asks for."""
    words, width = _matrix(shapes, f"{GPT}transformer.wte.weight")
    if width % gpt2["n_head"]:
        raise BadRequest(f"The language model's width is {width}, which its {gpt2['n_head']} heads cannot share.")
    inner = gpt2.get("n_inner") or 4 * gpt2["n_embd"]
    wanted: dict[str, tuple[int, ...]] = {"wte.weight": (gpt2["vocab_size"], gpt2["n_embd"])}
    wanted["wpe.weight"] = (gpt2["n_positions"], gpt2["n_embd"])
    wanted |= {f"ln_f.{part}": (gpt2["n_embd"],) for part in ("weight", "bias")}
    for layer in range(gpt2["n_layer"]):
        wanted |= {f"h.{layer}.{name}": shape for name, shape in _gpt2_shapes(gpt2["n_embd"], inner).items()}
    for name, shape in wanted.items():
        _expect(shapes, f"{GPT}transformer.{name}", shape, f"the language model's config asks for {shape}")
    start = f"{GPT}transformer.h."
    layers = len({name[len(start) :].partition(".")[0] for name in shapes if name.startswith(start)})
    if layers != gpt2["n_layer"]:
        raise BadRequest(f"The checkpoint has {layers} layers of GPT-2, and the config says {gpt2['n_layer']}.")
    if f"{GPT}lm_head.weight" in shapes:
        _expect(shapes, f"{GPT}lm_head.weight", (words, width), f"{GPT}transformer.wte.weight is {(words, width)}")
    return width


def _gpt2_shapes(width: int, inner: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"attn.c_attn.weight": (width, 3 * width), "attn.c_attn.bias": (3 * width,)}
    shapes |= {"attn.c_proj.weight": (width, width), "attn.c_proj.bias": (width,)}
    shapes |= {"mlp.c_fc.weight": (width, inner), "mlp.c_fc.bias": (inner,)}
    shapes |= {"mlp.c_proj.weight": (inner, width), "mlp.c_proj.bias": (width,)}
    return shapes | {f"ln_{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}


def _is_weight(name: str) -> bool:
    number = name.removeprefix(f"{MAPPER}model.").removesuffix(".weight")
    return name.endswith(".weight") and number.isdecimal()


def _matrix(shapes: Shapes, name: str) -> tuple[int, int]:
    shape = _found(shapes, name)
    if len(shape) != 2 or 0 in shape:
        raise BadRequest(f"{name} has shape {shape}, and a matrix is needed.")
    return shape[0], shape[1]


def _expect(shapes: Shapes, name: str, shape: tuple[int, ...], because: str) -> None:
    if _found(shapes, name) != shape:
        raise BadRequest(f"{name} has shape {shapes[name]}, but {because}.")


def _found(shapes: Shapes, name: str) -> tuple[int, ...]:
    if name not in shapes:
        raise BadRequest(f"The checkpoint lacks {name}.")
    return shapes[name]
