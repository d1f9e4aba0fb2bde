"""Imports go one way, only the screens know Gradio, and importing anything is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ["app", "tabs", "jobs", "pipelines", "safeguards", "models", "common"]
BESIDE = ["training", "serving", "benchmarks"]  # may use all of the layers but the screens
HEAVY = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "timm"}
LIGHT = ["app.py", "tabs", "jobs", "pipelines", "safeguards", "common", "models/families"]
LIGHT += ["models/catalog.py", "models/pool.py", "models/spec.py", "models/sources.py", "models/devices.py"]


def modules_of(*places: str) -> list[Path]:
    files = [
        file
        for place in places
        for file in ([ROOT / place] if place.endswith(".py") else ROOT.glob(f"{place}/**/*.py"))
    ]
    return sorted(file for file in files if file.is_file())


def imports_of(file: Path) -> set[str]:
    """The top-level packages that `file` imports anywhere, inside functions too."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in named}


@pytest.mark.parametrize("layer", LAYERS + BESIDE)
def test_imports_go_one_way(layer):
    forbidden = set(LAYERS[: LAYERS.index(layer)] + BESIDE) if layer in LAYERS else {"app", "tabs"}
    wrong = {str(file.relative_to(ROOT)): imports_of(file) & forbidden for file in modules_of(f"{layer}.py", layer)}
    assert {file: names for file, names in wrong.items() if names} == {}


def test_only_the_screens_know_gradio():
    others = modules_of(*LAYERS[2:], *BESIDE)
    assert [str(file.relative_to(ROOT)) for file in others if imports_of(file) & {"gradio", "gradio_client"}] == []


def test_importing_loads_no_heavy_library():
    files = [file.relative_to(ROOT).with_suffix("") for file in modules_of(*LIGHT) if file.name != "__main__.py"]
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    assert len(names) > 20
    script = f"import importlib, sys\nfor name in {names}:\n    importlib.import_module(name)\n"
    script += f"    assert not {HEAVY} & set(sys.modules), (name, {HEAVY} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
