"""Prompt and seed in the node graph that ComfyUI saves with its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = ("text", "text_g", "prompt", "string", "value", "wildcard_text", "text_l", "clip_l", "t5xxl")
_MAX_NODES = 200  # looked at on one way, so that a graph made to be endless ends


def find(graph: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the graph's first sampler was told: "prompt", "negative_prompt", "seed", "steps", "cfg", "sampler_name",
    "width", "height" and "model", as far as they are there. None when the graph has no sampler with a prompt.

    A graph maps the number of a node to its `class_type` and `inputs`; an input is a value or a link `[node, output]`.
    """
    nodes = {
        key: node for key, node in graph.items() if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    for node in sorted(nodes.values(), key=_is_refining):
        inputs = node["inputs"]
        # The classic sampler has everything at hand; the newer asks a guider for the words and a noise for the seed.
        words = _linked(nodes, inputs.get("guider")) or inputs
        prompt = _text(nodes, words.get("positive", words.get("conditioning")), avoid="negative")
        if prompt is None or not {"seed", "noise_seed", "noise"} & set(inputs):
            continue
        near = {**(_linked(nodes, inputs.get("noise")) or {}), **(_linked(nodes, inputs.get("sigmas")) or {}), **inputs}
        near |= _linked(nodes, inputs.get("sampler")) or {}
        return {
            "prompt": prompt,
            "negative_prompt": _text(nodes, words.get("negative"), avoid="positive") or "",
            "seed": _whole(nodes, near.get("seed", near.get("noise_seed"))),
            "steps": _whole(nodes, near.get("steps")),
            "cfg": words.get("cfg", near.get("cfg")),
            "sampler_name": near.get("sampler_name"),
            **_canvas(nodes),
        }
    return None


def _is_refining(node: Mapping[str, Any]) -> bool:
    """True for a sampler that goes over a picture made before; those come last."""
    denoise = node["inputs"].get("denoise", 1)
    return isinstance(denoise, (int, float)) and denoise < 1


def _linked(nodes: Mapping[str, Any], link: Any) -> dict[str, Any] | None:
    """The inputs of the node that a link points to."""
    if isinstance(link, list) and link and isinstance(link[0], (str, int)) and str(link[0]) in nodes:
        return nodes[str(link[0])]["inputs"]
    return None


def _text(nodes: Mapping[str, Any], link: Any, avoid: str) -> str | None:
    """The first text on the way back from `link`, which does not pass through inputs of the name `avoid`."""
    waiting = [link]
    for _ in range(_MAX_NODES):
        if not waiting:
            return None
        inputs = _linked(nodes, waiting.pop(0))
        if inputs is None:
            continue
        for name in _TEXTS:
            if isinstance(inputs.get(name), str) and inputs[name].strip():
                return inputs[name]
        waiting += [
            value for name, value in inputs.items() if isinstance(value, list) and name not in (avoid, "clip", "model")
        ]
    return None


def _whole(nodes: Mapping[str, Any], value: Any) -> int | None:
    """A whole number, or the one in the node that a link points to."""
    if inputs := _linked(nodes, value):
        value = next((inputs[name] for name in ("seed", "value", "int", "noise_seed") if name in inputs), None)
    return value if type(value) is int else None


def _canvas(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Size and checkpoint, which stand in nodes of their own."""
    found: dict[str, Any] = {}
    for node in nodes.values():
        inputs = node["inputs"]
        if "EmptyLatent" in str(node.get("class_type")) or "EmptySD3Latent" in str(node.get("class_type")):
            found |= {"width": _whole(nodes, inputs.get("width")), "height": _whole(nodes, inputs.get("height"))}
        name = inputs.get("ckpt_name", inputs.get("unet_name"))
        if isinstance(name, str):
            found.setdefault("model", name)
    return found
