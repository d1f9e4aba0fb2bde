"""Make `examples/image_to_prompt.json` anew: `python -m examples.make_image_to_prompt gallery/a.png gallery/b.png`."""

import json
import sys
from pathlib import Path

from common.settings import Settings
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.run import run
from pipelines.image_to_prompt.table import facts
from pipelines.services import build_services

if len(names := sys.argv[1:]) == 0:  # the pictures' places inside the folder of the examples
    sys.exit(__doc__)

folder = Path(__file__).parent
pictures = tuple(folder / name for name in names)
asked = ImageToPromptRequest(pictures, ("interrogator", "zero_image", "ensemble"))
*_, result = run(asked, build_services(Settings(models="starter")))
made = [
    {"file": name, "rows": [{**facts(row), "picture": 0} for row in result.rows if row.picture == number]}
    for number, name in enumerate(names)
]
(folder / "image_to_prompt.json").write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
