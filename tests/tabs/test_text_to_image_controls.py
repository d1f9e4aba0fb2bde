from tabs.text_to_image_controls import FIELDS
from tests.tabs.conftest import named


def test_there_is_a_component_for_every_field_of_the_request(controls):
    import dataclasses

    from pipelines.text_to_image import TextToImageRequest

    assert list(FIELDS) == [field.name for field in dataclasses.fields(TextToImageRequest)]
    assert len(controls.inputs) == len(FIELDS)


def test_limits_and_defaults_come_from_the_model(controls):
    steps, width = controls.parts["steps"], controls.parts["width"]
    assert (steps.minimum, steps.maximum, steps.value) == (2, 60, 8)
    assert (width.minimum, width.maximum, width.step, width.value) == (32, 128, 32, 64)
    assert [name for _, name in controls.parts["scheduler"].choices] == ["Euler", "DDIM"]


def test_models_that_are_elsewhere_say_how_big_they_are(controls):
    titles = {name: title for title, name in controls.parts["model"].choices}
    assert titles["tiny"] == "Tiny painter"
    assert "1.2 GB" in titles["tiny-hub"]


def test_another_model_brings_its_own_limits(controls):
    updates = controls.for_model("tiny-hub")
    assert updates[controls.parts["steps"]].maximum == 4
    assert updates[controls.parts["guidance"]].visible is False
    assert updates[controls.parts["negative"]].visible is False


def test_a_recipe_sets_every_control(controls):
    settings = {
        "prompt": "a cat", "negative": "rain", "model": "tiny-slow", "candidates": 7, "width": 96, "height": 32,
        "steps": 20, "guidance": 2.5, "scheduler": "Euler", "seed": 2**62, "ranker": "tiny-judge",
        "fast_ranking": False, "threshold": 0.25,
    }  # fmt: skip
    restored = named(controls, controls.restored(settings))
    assert set(restored) == set(FIELDS)
    assert restored == {**settings, "seed": str(2**62), "threshold": "0.25"}


def test_what_no_longer_fits_leaves_its_control_alone(controls):
    forged = {
        "prompt": 5, "model": "tiny", "candidates": 99, "width": 1e9, "steps": True, "guidance": "hot",
        "scheduler": "Magic", "seed": -1, "ranker": "nobody", "fast_ranking": "yes", "threshold": [1],
    }  # fmt: skip
    restored = named(controls, controls.restored(forged))
    assert restored["model"] == "tiny"
    assert (restored["width"], restored["steps"], restored["guidance"]) == (64, 8, 4)  # the model's defaults
    assert restored["scheduler"] == "Euler"
    assert not {"prompt", "candidates", "seed", "ranker", "threshold"} & set(restored)
    assert restored["fast_ranking"] != "yes"  # only whether it is shown


def test_an_unknown_model_leaves_the_chosen_one(controls):
    restored = named(controls, controls.restored({"prompt": "a cat", "model": "dall-e"}))
    assert restored == {"prompt": "a cat"}


def test_values_become_a_checked_request(controls):
    values = ["a cat", None, "tiny", 4, 64.0, 64, 8, 4, "Euler", " 42 ", "tiny-judge", True, ""]
    request = controls.request(values)
    assert (request.negative, request.seed, request.threshold) == ("", 42, None)
    assert (request.width, request.steps) == (64, 8)


def test_controls_that_a_model_lacks_are_not_asked(controls, tmp_path):
    (tmp_path / "nobody--nowhere").mkdir()  # the hub's model has come
    (tmp_path / "nobody--nowhere" / "made-of-code").touch()
    values = ["a cat", "", "tiny-hub", 4, 64, 64, 1, 999, "DDIM", "", "tiny-judge", True, ""]
    assert controls.request(values).steps == 1
