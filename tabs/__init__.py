"""The screens: one file a room, named as its pipeline. With app.py the only code that imports gradio."""
