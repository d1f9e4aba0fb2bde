"""Text to image without the page: `python -m examples.text_to_image "a smiling cat in 3D style"`."""

import sys

from common.settings import Settings
from pipelines.services import build_services
from pipelines.steps import Step
from pipelines.text_to_image import TextToImageRequest, run

services = build_services(Settings())
request = TextToImageRequest(prompt=sys.argv[1] if len(sys.argv) > 1 else "a smiling cat in 3D style", candidates=8)

for event in run(request, services):
    if isinstance(event, Step):
        print(f"step {event.number} of {event.total} {event.note}")
    else:
        print(f"{event.model}, {event.seconds:.1f} s, seed {event.recipe['seed']}")
        for candidate in event.candidates:  # best first
            print(f"{candidate.cosine:.3f}  {candidate.path}")
