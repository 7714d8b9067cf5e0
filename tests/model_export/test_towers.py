"""The towers pool every layer, mix them, and are what their config says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_export import pooling, towers
from model_export.errors import BackboneError
from model_export.towers import AudioTower, TowerConfig
from tests.model_export.backbones import small


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TowerConfig:
    """Name a small WavLM and a small RoBERTa."""
    audio, text = (tmp_path_factory.mktemp(name) for name in ("wavlm", "roberta"))
    small.tokenizer(text)
    return TowerConfig(
        audio=small.saved(small.wave_model("wavlm", small.BASE), audio),
        text=small.saved(small.text_model("roberta"), text),
        train_audio="last-1",
        dim=16,
    )


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    samples = 0.1 * torch.randn(2, 9_000, generator=torch.Generator().manual_seed(0))
    return samples, torch.tensor([9_000, 6_000])


@torch.inference_mode()
def test_statistics_are_mean_and_deviation_of_each_normalised_layer(config: TowerConfig) -> None:
    tower = towers.build(config).audio.eval()
    samples, lengths = clips()
    found = tower.statistics(samples, lengths)
    assert found.shape == (2, 3, 2 * 32)
    states, inside = tower.encoder(samples, lengths)
    for layer, state in enumerate(states):
        steps = torch.nn.functional.layer_norm(state[1], (32,))[inside[1]]
        expected = torch.cat([steps.mean(dim=0), steps.std(dim=0, correction=0)])
        torch.testing.assert_close(found[1, layer], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(tower.project(found), tower(samples, lengths))
    mean = towers.build(replace(config, pooling="mean")).audio.eval().statistics(samples, lengths)
    torch.testing.assert_close(mean, found[:, :, :32])


def test_attentive_pooling_has_no_fixed_statistics_but_learns(config: TowerConfig) -> None:
    tower = towers.build(replace(config, pooling="attentive")).audio
    with pytest.raises(BackboneError, match='"attentive" is learned'):
        tower.statistics(*clips())
    tower(*clips())[:, 0].sum().backward()
    assert tower.attention is not None
    assert all(weights.grad is not None and weights.grad.abs().sum() > 0 for weights in tower.attention.parameters())
    assert tower.layer_weights.grad is not None


def test_mixed_pooling_gives_mean_and_deviation_of_the_mix_and_has_no_fixed_statistics(config: TowerConfig) -> None:
    tower = towers.build(replace(config, pooling="mixed")).audio.eval()
    with torch.inference_mode():
        tower.layer_weights.copy_(torch.tensor([0.3, -1.0, 0.7]))
        states, inside = tower.states(*clips())
        mixed = sum(share * state for share, state in zip(torch.softmax(tower.layer_weights, 0), states, strict=True))
        assert isinstance(mixed, torch.Tensor)
        steps = mixed[1][inside[1]]
        expected = torch.cat([steps.mean(dim=0), steps.std(dim=0, correction=0)])
        torch.testing.assert_close(tower.pooled(states, inside)[1, 0], expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(BackboneError, match='"mixed" is learned'):
        tower.statistics(*clips())


@torch.inference_mode()
@pytest.mark.parametrize("pool", pooling.POOLINGS)
def test_an_embedding_is_of_unit_length_and_heeds_no_padding(config: TowerConfig, pool: str) -> None:
    tower: AudioTower = towers.build(replace(config, pooling=pool)).audio.eval()
    samples, lengths = clips()
    together = tower(samples, lengths)
    alone = tower(samples[1:, :6_000], lengths[1:])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))


def test_the_mix_of_layers_and_the_blocks_asked_for_are_trained(config: TowerConfig) -> None:
    model = towers.build(config)
    trained = {name for name, weights in model.named_parameters() if weights.requires_grad}
    assert {name for name in trained if name.startswith("audio.encoder.")} == {
        name for name, _ in model.named_parameters() if name.startswith("audio.encoder.blocks.1.")
    }
    assert "audio.layer_weights" in trained
    assert not any(name.startswith("text.encoder.") for name in trained)
    open_text = towers.build(replace(config, train_audio="frozen", train_text="last-1"))
    names = {name for name, weights in open_text.named_parameters() if weights.requires_grad and ".encoder." in name}
    assert names
    assert all(name.startswith("text.encoder.model.encoder.layer.1.") for name in names)


def test_what_is_frozen_stays_still_in_training(config: TowerConfig) -> None:
    model = towers.build(replace(config, train_audio="frozen", dropout=0.5)).train()
    first, second = (model.audio.statistics(*clips()) for _ in range(2))
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert not torch.equal(model.audio.project(first), model.audio.project(first))
    ids = torch.tensor([[0, 5, 6, 2]])
    vectors = [model.text.encoder(ids, torch.ones_like(ids)) for _ in range(2)]
    torch.testing.assert_close(vectors[0], vectors[1], atol=0, rtol=0)


def test_the_tokenizer_is_that_of_the_text_encoder(config: TowerConfig) -> None:
    assert towers.build(config).tokenizer == Path(config.text) / "tokenizer.json"


@torch.inference_mode()
def test_the_packaged_backbones_are_the_default() -> None:
    model = towers.build(TowerConfig()).eval()
    assert model.audio.statistics(*clips()).shape == (2, 5, 768)
    assert model.audio(*clips()).shape == (2, 512)
    assert {
        name.split(".")[3]
        for name, weights in model.named_parameters()
        if name.startswith("audio.encoder.") and weights.requires_grad
    } == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, 'no pooling "max"; there are statistics, mean, attentive, mixed'),
        ({"dim": 0}, "dim is at least 1"),
        ({"dropout": 1.0}, "under 1"),
        ({"dropout": float("nan")}, "under 1"),
        ({"train_audio": "last-3"}, "has 2 blocks"),
        ({"train_text": "some"}, "no way to train the text backbone"),
        ({"audio": "/no/such/folder"}, "no folder"),
    ],
)
def test_a_config_that_asks_for_what_is_not_there_is_refused(
    config: TowerConfig, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BackboneError, match=message):
        towers.build(replace(config, **changes))  # type: ignore[arg-type]
