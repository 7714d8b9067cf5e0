"""docs/http.md: its commands work as they stand, and it misses no route and no problem."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from index.build import build
from service.app import create_app
from service.problems import KINDS
from tests.service.conftest import VOICES, OpenEngine, running

TEXT = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
# What curl prints when the request fails, and a failure ends the script.
SHELL = 'set -euo pipefail\ncurl() { command curl --show-error --fail-with-body "$@"; }\n'


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_the_commands_work_one_after_the_other(open_own: OpenEngine, recordings: Path, tmp_path: Path) -> None:
    engine = open_own()
    build(engine.store, engine.encoder, [recordings / "manifest.csv"], threads=1)
    with running(create_app(engine.settings, engine=engine)) as client:
        address = str(client.base_url).rstrip("/")
        script = SHELL + "\n".join(COMMANDS).replace("http://127.0.0.1:8000", address)
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert (tmp_path / "beginning.wav").stat().st_size == 1024
        assert '"status":"added"' in done.stdout
        assert '"status":"exists"' in done.stdout
        assert client.get("/v1/info").json()["library"]["clips"] == len(VOICES)


def test_every_route_is_there(client: httpx.Client) -> None:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for method in item:
            assert f"{method.upper()} {path.replace('clip_id', 'id')}`" in TEXT, (method, path)


def test_every_problem_is_there() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert rows == [(code, str(kind.status), kind.title) for code, kind in KINDS.items()]
