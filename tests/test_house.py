"""The house as a whole: arrows point down, serving needs no torch, and the command line is what the docs say."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emotionrank

ROOT = Path(__file__).parent.parent
PACKAGES = ("encoders", "index", "service", "model_export")
MAY_IMPORT = {
    "encoders": set[str](),
    "index": {"encoders"},
    "service": {"encoders", "index"},
    "model_export": {"encoders"},
}
HEAVY = {"torch", "transformers", "sentence_transformers", "onnx", "onnxscript", "sklearn", "scipy"}


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_down(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = imported(path) & set(PACKAGES) - {package}
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


@pytest.mark.parametrize("package", ["encoders", "index", "service"])
def test_no_file_of_the_serving_side_imports_a_training_library(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & HEAVY, path.relative_to(ROOT)


def test_serving_never_loads_torch() -> None:
    code = (
        "import sys, importlib, pkgutil\n"
        "for name in ('encoders', 'index', 'service', 'emotionrank'):\n"
        "    module = importlib.import_module(name)\n"
        "    for found in pkgutil.walk_packages(getattr(module, '__path__', []), name + '.'):\n"
        "        importlib.import_module(found.name)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_cycles_between_modules() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        graph[name] = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                # `from package import module` needs the module, not what the package's __init__ makes of it.
                graph[name] |= inside & modules.keys() if inside <= modules.keys() else {node.module} | inside
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name in done:
            return
        for other in graph[name] & graph.keys() - {name}:
            walk(other, (*above, name))
        done.add(name)

    for name in graph:
        walk(name, ())


def test_no_file_is_longer_than_500_lines() -> None:
    for package in (*PACKAGES, "tests", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path.relative_to(ROOT)


@pytest.mark.parametrize("name", emotionrank.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emotionrank", name, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_root_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys, emotionrank\n"
        "sys.argv = ['emotionrank', '--help']\n"
        "try:\n    emotionrank.main()\n"
        "finally:\n    print([m for m in sys.modules if m.endswith('.commands')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert all(name in done.stdout for name in emotionrank.COMMANDS)
    assert done.stdout.strip().endswith("[]")


def test_an_unknown_command_is_wrong_use() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emotionrank", "nonsense"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert "nonsense" in done.stderr
