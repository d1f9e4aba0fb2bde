"""How the page looks: a north-light studio. Chalk walls, graphite ink, one viridian accent; pictures hang like on a
gallery wall with a small label beneath. All fonts are served by Gradio itself, so nothing is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE_SHEET = Path(__file__).with_name("style.css")
PAGE_SCRIPT = Path(__file__).with_name("page.js")

VIRIDIAN = gr.themes.Color(
    name="viridian",
    c50="#eef6f3",
    c100="#d6eae3",
    c200="#aed5c8",
    c300="#7dbba8",
    c400="#4b9c86",
    c500="#2b7f6a",
    c600="#1c6655",
    c700="#175346",
    c800="#133f36",
    c900="#0e2f28",
    c950="#08201b",
)
CHALK = gr.themes.Color(
    name="chalk",
    c50="#fafaf8",
    c100="#f3f3ef",
    c200="#e5e5de",
    c300="#d0d0c7",
    c400="#a3a49b",
    c500="#777870",
    c600="#585a53",
    c700="#3f413c",
    c800="#292b28",
    c900="#1d1f1d",
    c950="#141614",
)


def make_theme() -> gr.themes.Base:
    """The theme for `launch(theme=...)`, light and dark."""
    theme = gr.themes.Base(
        primary_hue=VIRIDIAN,
        secondary_hue=VIRIDIAN,
        neutral_hue=CHALK,
        radius_size=gr.themes.sizes.radius_md,
        # Of the fonts that Gradio ships only a few files are whole; these four are.
        font=(gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    )
    both = {  # the same in light and dark, through the two neutral scales
        "block_border_width": "0px",
        "block_label_text_weight": "600",
        "block_title_text_weight": "600",
        "block_title_text_size": "*text_sm",
        "block_info_text_size": "*text_sm",
        "input_border_width": "1px",
        "input_shadow": "none",
        "input_shadow_focus": "0 0 0 3px color-mix(in srgb, *primary_400 25%, transparent)",
        "button_primary_shadow": "none",
        "button_large_radius": "10px",
        "checkbox_label_shadow": "none",
        "block_shadow": "none",
        "layout_gap": "14px",
    }
    return theme.set(**both, **_LIGHT, **{f"{key}_dark": value for key, value in _DARK.items()})


_LIGHT = {
    "body_background_fill": "*neutral_100",
    "body_text_color": "*neutral_900",
    "body_text_color_subdued": "*neutral_600",
    "background_fill_primary": "white",
    "background_fill_secondary": "*neutral_50",
    "block_background_fill": "white",
    "block_title_text_color": "*neutral_700",
    "block_label_text_color": "*neutral_600",
    "block_info_text_color": "*neutral_600",
    "border_color_primary": "*neutral_200",
    "input_background_fill": "*neutral_50",
    "input_background_fill_focus": "white",
    "input_border_color": "*neutral_300",
    "input_border_color_focus": "*primary_500",
    "input_placeholder_color": "*neutral_500",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_hover": "*neutral_50",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_text_color": "*neutral_800",
    "slider_color": "*primary_600",
    "color_accent": "*primary_600",
    "color_accent_soft": "*primary_50",
    "checkbox_background_color_selected": "*primary_600",
    "checkbox_border_color_selected": "*primary_600",
}
_DARK = {
    "body_background_fill": "*neutral_950",
    "body_text_color": "#e9e9e4",
    "body_text_color_subdued": "*neutral_400",
    "background_fill_primary": "*neutral_900",
    "background_fill_secondary": "*neutral_800",
    "block_background_fill": "*neutral_900",
    "block_title_text_color": "*neutral_300",
    "block_label_text_color": "*neutral_400",
    "block_info_text_color": "*neutral_400",
    "border_color_primary": "*neutral_800",
    "input_background_fill": "*neutral_950",
    "input_background_fill_focus": "*neutral_950",
    "input_border_color": "*neutral_700",
    "input_border_color_focus": "*primary_400",
    "input_placeholder_color": "*neutral_500",
    "button_primary_background_fill": "*primary_500",
    "button_primary_background_fill_hover": "*primary_400",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "*neutral_800",
    "button_secondary_background_fill_hover": "*neutral_700",
    "button_secondary_border_color": "*neutral_700",
    "button_secondary_text_color": "#e9e9e4",
    "slider_color": "*primary_400",
    "color_accent_soft": "*primary_900",
    "checkbox_background_color_selected": "*primary_500",
    "checkbox_border_color_selected": "*primary_500",
}
