from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.prompt_data.charts import MAX_CELLS, Bar, bars, heat, histogram, strips
from pipelines.prompt_data.map_chart import scatter
from pipelines.prompt_data.svg import COLOURS, Scale, standalone
from tests.pipelines.prompt_data.conftest import drawn


def tagged(svg: str, tag: str) -> list:
    return [each for each in drawn(svg).iter() if each.tag.endswith(f"}}{tag}")]


def luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("page", ["#ffffff", "#fafaf8", "#141614", "#1d1f1d"])
def test_colours_stand_out_on_light_and_dark(colour, page):
    light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3  # what WCAG 2.2, 1.4.11 asks of graphics


def test_words_take_the_colour_of_the_page():
    plots = [histogram([1, 2, 2], "T", "u"), bars([Bar("a", 1)], "T"), strips({"a": [1.0, 2.0]}, "T", "u")]
    plots += [heat(np.eye(2), "ab", "ab", "T"), scatter(np.eye(3)[:, :2], [0, 1, 0], "xy", "abc", "T")]
    for plot in plots:
        assert all(text.get("fill") == "currentColor" for text in tagged(plot, "text")) and tagged(plot, "text")
        assert drawn(plot).get("role") == "img" and tagged(plot, "title")[0].text == "T"
        alone = standalone(plot)
        assert drawn(alone) is not None and "prefers-color-scheme:dark" in alone


def test_a_histogram_counts_every_value():
    whole = tagged(histogram([3, 3, 5], "T", "u"), "rect")
    assert [rect[0].text for rect in whole] == ["3: 2", "4: 0", "5: 1"]
    heights = [float(rect.get("height")) for rect in whole]
    assert heights[0] == pytest.approx(2 * heights[2], abs=0.02) and heights[1] == 0
    values = np.random.default_rng(0).standard_normal(500)
    counts = [int(rect[0].text.rpartition(" ")[2]) for rect in tagged(histogram(values.tolist(), "T", "u"), "rect")]
    assert sum(counts) == 500 and len(counts) == 30


def test_bars_are_as_long_as_their_values_and_whiskers_where_they_end():
    svg = bars([Bar("a", 1.0, 0.5, 1.5), Bar("b", 0.5), Bar("c", math.nan)], "T", ".1f")
    first, second = (float(rect.get("width")) for rect in tagged(svg, "rect"))
    assert first == pytest.approx(2 * second, abs=0.02)
    low, high = (float(tagged(svg, "line")[0].get(name)) for name in ("x1", "x2"))
    assert high - low == pytest.approx(first, abs=0.05)


def test_a_heat_map_shades_by_value_and_leaves_gaps_open():
    svg = heat(np.array([[0.0, 0.5], [1.0, math.nan]]), ["a", "b"], ["x", "y"], "T")
    shades = [rect.get("fill-opacity") for rect in tagged(svg, "rect")]
    assert [float(shade) for shade in shades[:3]] == pytest.approx([0.02, 0.42, 0.85], abs=0.01) and shades[3] is None
    large = heat(np.zeros((90, 90)), ["r"] * 90, ["c"] * 90, "T")
    assert len(tagged(large, "rect")) == MAX_CELLS**2 and "the first 60" in large


def test_a_map_puts_points_where_they_are():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    svg = scatter(points, [0, 1, 0], ["p", "q"], ["one", "two", "three"], "T", arrows=[(0, 1)])
    dots = {each.get("data-row"): each for each in tagged(svg, "circle") if each.get("data-row")}
    x = {row: float(dot.get("cx")) for row, dot in dots.items()}
    y = {row: float(dot.get("cy")) for row, dot in dots.items()}
    assert x["0"] == x["2"] < x["1"] and y["0"] == y["1"] > y["2"]  # upwards on the page is less
    assert dots["0"].get("fill") == dots["2"].get("fill") != dots["1"].get("fill")
    (arrow,) = tagged(svg, "line")
    assert (float(arrow.get("x1")), float(arrow.get("x2"))) == (x["0"], x["1"]) and len(tagged(svg, "polygon")) == 1


def test_hostile_words_stay_words():
    evil = '</svg><script>alert("1")</script>\x00\ud800&amp;'
    for svg in (bars([Bar(evil, 1)], evil), heat(np.eye(1), [evil], [evil], evil),
                scatter(np.zeros((3, 2)), [0] * 3, [evil], [evil] * 3, evil)):  # fmt: skip
        assert "<script" not in svg and drawn(svg) is not None


@pytest.mark.parametrize("values", [[], [math.nan], [5.0], [0.0, 0.0], [-1e9, 1e9], [1e-9, 2e-9]])
def test_any_values_can_be_drawn(values):
    for svg in (histogram(values, "T", "u"), strips({"a": values}, "T", "u"), bars([Bar("a", v) for v in values], "T")):
        assert drawn(svg) is not None and "nan" not in svg.lower().replace("finance", "")


def test_ticks_are_round_and_inside():
    assert Scale(0, 10, 0, 1).ticks() == [0, 2, 4, 6, 8, 10]
    assert Scale(0.13, 0.52, 0, 1).ticks() == [0.2, 0.3, 0.4, 0.5]
    assert Scale(-7, 7, 0, 1).ticks(3) == [-5, 0, 5]
    near = Scale.over([1.0, 0.9999999], 0, 1).ticks()  # equal but for rounding
    assert len({f"{tick:.2f}" for tick in near}) == len(near) > 1
