from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from safeguards.__main__ import main
from safeguards.recipe import stamp_png


def test_prints_the_recipe_as_json(recipe, photo, tmp_path, capsys):
    assert main([str(stamp_png(photo, recipe, tmp_path / "cat.png"))]) == 0
    assert json.loads(capsys.readouterr().out) == {**asdict(recipe), "parents": list(recipe.parents)}


def test_says_when_there_is_none_and_goes_on(recipe, photo, tmp_path, capsys, text_png):
    photo.save(tmp_path / "plain.png")
    stamp_png(photo, recipe, tmp_path / "cat.png")
    forged = text_png({"clip-atelier": "{}"})
    assert main([str(tmp_path / "plain.png"), str(tmp_path / "cat.png")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("plain.png carries no recipe.")
    assert '"a smiling cat, 3D style"' in out
    assert main([str(forged), str(tmp_path / "gone.png"), str(tmp_path / "plain.png")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("picture.png carries a recipe that cannot be used: it lacks the entry")
    assert "gone.png cannot be read" in captured.err
    assert captured.out == "plain.png carries no recipe.\n"


def test_recipe_of_another_program(text_png, capsys):
    assert main([str(text_png(parameters="a cat\nSteps: 20, Sampler: Euler, Seed: 7"))]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["source"], found["prompt"], found["seed"]) == ("AUTOMATIC1111", "a cat", 7)


def test_nothing_reaches_the_terminal_as_a_command(recipe, photo, tmp_path, capsys):
    evil = replace(recipe, settings={"prompt": "猫\x1b[2J\x9b2J\u202eabc\nline"})
    main([str(stamp_png(photo, evil, tmp_path / "cat.png"))])
    out = capsys.readouterr().out
    assert "猫" in out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_as_a_command_on_a_terminal_that_knows_ascii_only(recipe, photo, tmp_path):
    path = stamp_png(photo, replace(recipe, settings={"prompt": "猫"}), tmp_path / "cat.png")
    result = subprocess.run(
        [sys.executable, "-m", "safeguards", str(path)],
        cwd=Path(__file__).parents[2],
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "SYSTEMROOT": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert r"\u732b" in result.stdout


def test_importing_is_light():
    code = (
        "import sys, safeguards.admit, safeguards.recipe, safeguards.release, safeguards.prompts, safeguards.zips\n"
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers', 'open_clip', 'timm', 'gradio'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
