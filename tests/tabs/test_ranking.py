import re

from tabs.ranking import Row, captions, report

ROWS = [
    Row("a.png", "seed 3", 0.31, 0.775, 0.6, True),
    Row("b.png", "seed 4", 0.25, 0.625, 0.3, True),
    Row("c.png", "<b>x</b>", -0.05, 0.0, 0.1, False, "given up at step 2"),
]


def test_captions_tell_rank_score_label_and_verdict():
    (path, first), _, (_, last) = captions(ROWS)
    assert path == "a.png"
    assert re.split(r"\s+·\s+", first) == ["1", "0.310", "seed 3"]
    assert "below threshold" in last and "given up at step 2" in last
    assert "below" not in first


def test_report_has_figures_plot_and_table():
    page = report(ROWS, threshold=0.2)
    assert "0.310" in page and "0.170" in page and "0.140" in page  # best, mean, spread
    assert "2 of 3" in page
    assert page.count('class="bar ') == 3
    assert page.count("<tr>") == 4
    assert "60.0 %" in page and "0.775" in page
    assert page.count("passes") == 2 and page.count("fails</td>") == 1


def test_labels_are_escaped():
    page = report(ROWS, None)
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_bars_stand_on_zero_and_never_hang_below():
    heights = [float(text) for text in re.findall(r'<i style="height:([\d.]+)%', report(ROWS))]
    assert heights[2] == 0
    assert abs(heights[1] / heights[0] - 0.25 / 0.31) < 0.01


def test_threshold_line_stands_at_the_height_of_its_value():
    page = report(ROWS, threshold=0.25)
    line = float(re.search(r'class="threshold" style="bottom:([\d.]+)%', page).group(1))
    bars = [float(text) for text in re.findall(r'<i style="height:([\d.]+)%', page)]
    assert abs(line - bars[1]) < 0.11


def test_those_given_up_stand_in_the_table_alone():
    page = report(ROWS[:2], given_up=[Row("", "seed 9", 0.11, 0.275, 0.1, None, "given up at step 3")])
    assert page.count('class="bar ') == 2 and page.count("<tr>") == 4
    assert "seed 9" in page and "given up at step 3" in page and "0.11" in page


def test_without_a_threshold_nothing_is_judged():
    rows = [Row("a.png", "seed 1", 0.3, 0.75, 1.0)]
    page = report(rows)
    assert "Threshold" not in page and 'class="threshold"' not in page


def test_nothing_to_rank_is_nothing_to_show():
    assert report([]) == "" and captions([]) == []
