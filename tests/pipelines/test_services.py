import subprocess
import sys
from pathlib import Path

from pipelines.services import build_services


def test_services_of_a_cpu_machine(settings):
    services = build_services(settings)
    assert services.settings is settings and services.pool.devices == ("cpu",)
    assert services.catalog.get("sd-turbo").role == "text_to_image"
    assert services.pool.status() == []


def test_building_them_loads_no_heavy_library():
    script = (
        "import sys; from common.settings import Settings; from pipelines.services import build_services\n"
        "build_services(Settings(device='cpu')).catalog.default('text_to_image')\n"
        "assert not {'torch', 'diffusers', 'transformers', 'open_clip'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
