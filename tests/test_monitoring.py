"""docker/monitoring: what is asked there of Prometheus is what the service tells, and the files fit together."""

import json
import re
from pathlib import Path

import yaml
from prometheus_client.registry import CollectorRegistry

from encoders.encoder import Encoder
from index.open import open_store
from service.inference.texts import Texts
from service.observing.metrics import Metrics
from service.observing.readings import Readings
from service.problems import KINDS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docker" / "monitoring"
ASKING = ("alerts.yml", "grafana/dashboard.json")


def told(registry: CollectorRegistry) -> set[str]:
    """List the names under which an application's series can be asked for."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {metric.name + suffix for metric in registry.collect() for suffix in suffixes[metric.type]}


def test_what_is_asked_for_is_told(encoder: Encoder, tmp_path: Path) -> None:
    metrics = Metrics()
    texts = Texts(encoder, 1, metrics)
    with open_store(tmp_path / "library", bundle=encoder.bundle, create=True) as store:
        Readings(metrics, encoder.bundle, store, texts, ()).close()
    texts.close()
    names = told(metrics.collector())
    for file in ASKING:
        asked = set(re.findall(r"emotionrank_\w+", (FOLDER / file).read_text()))
        assert len(asked) > 5
        assert asked <= names, file


def test_the_types_of_problems_in_alerts_are_there() -> None:
    named = re.findall(r'(?:type|reason)="([a-z-]+)"', (FOLDER / "alerts.yml").read_text())
    assert named
    assert set(named) <= KINDS.keys()


def test_the_dashboard_lies_on_its_grid() -> None:
    panels = json.loads((FOLDER / "grafana" / "dashboard.json").read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
    source = yaml.safe_load((FOLDER / "grafana" / "datasource.yml").read_text())["datasources"][0]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


def test_the_files_that_compose_mounts_are_there() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounted = [
        volume.partition(":")[0]
        for found in services.values()
        for volume in found["volumes"]
        if volume.startswith("./")
    ]
    assert len(mounted) == 5
    assert all((ROOT / path).is_file() for path in mounted)
    (scraped,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = scraped["static_configs"][0]["targets"]
    assert target.partition(":")[0] in services
