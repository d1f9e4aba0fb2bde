"""Make `examples/image_to_prompt.json` anew: `python -m examples.make_image_to_prompt gallery/a.png gallery/b.png`.

The pictures' places are those inside the folder of the examples.
"""

import json
import sys
from pathlib import Path

from common.settings import Settings
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.run import run
from pipelines.image_to_prompt.table import facts
from pipelines.services import build_services

FOLDER = Path(__file__).parent

if len(sys.argv) < 2:
    sys.exit(__doc__)

services = build_services(Settings(models="starter"))
paths = [FOLDER / name for name in sys.argv[1:]]
methods = ("interrogator", "zero_image", "ensemble")
*_, result = run(ImageToPromptRequest(tuple(paths), methods), services)
made = [
    {"file": name, "rows": [{**facts(row), "picture": 0} for row in result.rows if row.picture == number]}
    for number, name in enumerate(sys.argv[1:])
]
(FOLDER / "image_to_prompt.json").write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
