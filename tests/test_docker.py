"""The image and the compose file, as far as they can be checked without a Docker engine."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from service.access.guard import Guard, guard
from service.access.keys import new_key
from service.errors import SettingsInvalid
from service.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
SCHEMA = ROOT / "tests" / "data" / "compose-spec.json"


def instructions() -> list[tuple[str, str]]:
    """List the Dockerfile's (instruction, rest) pairs, lines joined and comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text())
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]


def only(name: str) -> str:
    """Return the rest of the one instruction of that name."""
    (rest,) = [rest for given, rest in instructions() if given == name]
    return rest


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only("ENV").split())


def copied() -> list[str]:
    """List what the build context has to hold."""
    return [
        path
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for path in rest.split()[:-1]
    ]


def service() -> dict[str, Any]:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert [name for name, found in services.items() if "profiles" not in found] == ["emotionrank"]
    found: dict[str, Any] = services["emotionrank"]
    return found


@pytest.fixture
def healthz() -> Iterator[tuple[int, list[int]]]:
    """Serve /healthz with the status in a list that the test may change: (port, [status])."""
    status = [200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port, status
        server.shutdown()
        thread.join()


def checks() -> list[Any]:
    words = only("HEALTHCHECK").partition(" CMD ")[2]
    return [
        pytest.param(json.loads(words), id="image"),
        pytest.param(service()["healthcheck"]["test"][1:], id="compose"),
    ]


def test_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint has no wheel for this platform")
    done = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_file_keeps_to_the_compose_specification() -> None:
    schema = json.loads(SCHEMA.read_text())
    errors = Draft202012Validator(schema).iter_errors(yaml.safe_load(COMPOSE.read_text()))
    assert [error.message for error in errors] == []


def test_the_schema_finds_what_is_wrong() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    compose["services"]["emotionrank"]["restart"] = 3
    compose["services"]["emotionrank"]["prots"] = []
    found = list(Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(compose))
    assert {error.json_path.rpartition(".")[2] for error in found} >= {"emotionrank", "restart"}


def test_the_image_holds_every_part_of_the_distribution() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = {part.removesuffix("/**") for part in config["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]}
    parts |= {"pyproject.toml", config["project"]["readme"], *config["project"]["license-files"]}
    assert set(copied()) == {part for part in parts if str(Path(part).parent) not in parts}
    assert all((ROOT / part).exists() for part in parts)


def test_the_build_context_holds_what_is_copied_and_no_more() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())


def test_the_service_does_not_run_as_root() -> None:
    uid = only("USER")
    assert int(uid) > 0
    assert any(name == "RUN" and f"--uid {uid} " in rest for name, rest in instructions())


def test_the_ports_agree() -> None:
    port = environment()["EMOTIONRANK_PORT"]
    assert only("EXPOSE") == port
    assert [published.rpartition(":")[2] for published in service()["ports"]] == [port]


def test_only_this_machine_reaches_the_published_ports() -> None:
    for found in yaml.safe_load(COMPOSE.read_text())["services"].values():
        assert all(published.startswith("127.0.0.1:") for published in found["ports"])


def guard_of(variables: dict[str, str]) -> Guard:
    """Ask the service's own rule what it makes of the image's environment and these variables."""
    values = {**environment(), **variables}
    settings = {name.removeprefix(PREFIX).lower(): value for name, value in values.items() if name.startswith(PREFIX)}
    return guard(load_settings(**{name: value for name, value in settings.items() if value}))


def composed(**given: str) -> dict[str, str]:
    """Return the environment that compose gives the service when these variables are set."""

    def value(found: re.Match[str]) -> str:
        return given.get(found["name"]) or found["default"]

    pattern = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
    return {name: pattern.sub(value, text) for name, text in service()["environment"].items()}


def test_the_image_alone_is_served_only_with_keys_or_when_told_otherwise() -> None:
    with pytest.raises(SettingsInvalid, match="EMOTIONRANK_OPEN_ACCESS"):
        guard_of({})
    assert guard_of({"EMOTIONRANK_OPEN_ACCESS": "true"}).keyring is None
    assert guard_of({"EMOTIONRANK_KEYS": new_key("alice", ["read"])[1].line()}).keyring is not None


def test_compose_starts_without_keys_and_asks_for_them_as_soon_as_there_is_one() -> None:
    without = guard_of(composed())
    assert without.keyring is None
    assert without.origins.hosts >= {"emotionrank"}
    line = new_key("alice", ["read"])[1].line()
    assert guard_of(composed(EMOTIONRANK_KEYS=line)).keyring is not None


def test_the_library_is_a_volume() -> None:
    library = environment()["EMOTIONRANK_LIBRARY"]
    assert only("VOLUME") == library
    assert f"library:{library}" in service()["volumes"]


def test_every_variable_is_a_setting_of_the_service() -> None:
    names = {name for name in (*environment(), *service()["environment"]) if name.startswith(PREFIX)}
    assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize("check", checks())
def test_health_checks_follow_the_answer_of_healthz(check: list[str], healthz: tuple[int, list[int]]) -> None:
    port, status = healthz
    assert check[:2] == ["python", "-c"]
    program = check[2].replace(":8000/", f":{port}/")

    def healthy() -> bool:
        return (
            subprocess.run(
                [sys.executable, "-c", program],
                env={"EMOTIONRANK_PORT": str(port)},
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            == 0
        )

    assert healthy()
    status[0] = 503
    assert not healthy()
