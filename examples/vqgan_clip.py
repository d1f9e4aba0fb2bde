"""VQGAN+CLIP without the page: `python -m examples.vqgan_clip "a red heart"`."""

import sys

from common.settings import Settings
from pipelines.services import build_services
from pipelines.steps import Step
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.run import run

services = build_services(Settings())
request = VqganClipRequest(prompts=sys.argv[1] if len(sys.argv) > 1 else "a red heart", steps=100)

for event in run(request, services):
    if isinstance(event, Step):
        if event.number % 10 == 0:
            losses = ", ".join(f"{name} {values[0]:.3f}" for name, values in event.data["losses"].items())
            print(f"step {event.number} of {event.total}: {losses}, {event.data['left']:.0f} s left")
    else:
        print(f"{event.model}, {event.seconds:.1f} s, seed {event.recipe['seed']}")
        for picture in event.pictures:  # best first
            print(f"{picture.score:.3f}  {picture.path}")
