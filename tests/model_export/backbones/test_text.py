"""Text encoders of any kind: padding changes no vector, and what a bundle cannot carry is refused."""

import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import T5Config, T5Model

from model_export import backbones
from model_export.errors import BackboneError
from tests.model_export.backbones import small

KINDS = ["bert", "roberta", "mpnet", "distilbert"]


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_has_the_same_vector_alone_and_padded(kind: str, tmp_path: Path) -> None:
    small.tokenizer(tmp_path)
    encoder, tokenizer = backbones.text(small.saved(small.text_model(kind), tmp_path))
    assert (encoder.width, encoder.vocabulary, len(encoder.blocks)) == (32, small.VOCABULARY, 2)
    assert tokenizer == tmp_path / "tokenizer.json"
    ids = torch.tensor([Tokenizer.from_file(str(tokenizer)).encode("a very calm voice").ids])
    alone = encoder(ids, torch.ones_like(ids))
    for filler in (0, 1):
        padded = torch.cat([ids, torch.full((1, 5), filler)], dim=1)
        attention = torch.cat([torch.ones_like(ids), torch.zeros(1, 5, dtype=torch.long)], dim=1)
        torch.testing.assert_close(encoder(padded, attention), alone, atol=1e-5, rtol=1e-4)
    hidden = small.text_model(kind)(input_ids=ids).last_hidden_state
    torch.testing.assert_close(alone, hidden.mean(dim=1), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_packaged_text_encoder_knows_which_words_are_alike() -> None:
    encoder, path = backbones.text()
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(["a sad voice", "an unhappy voice", "a bicycle repair"])
    ids, attention = (torch.tensor([getattr(e, part) for e in encodings]) for part in ("ids", "attention_mask"))
    vectors = encoder(ids, attention)
    like, unlike = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    assert like > unlike + 0.2


def test_a_model_without_a_tokenizer_json_is_refused_with_the_remedy(tmp_path: Path) -> None:
    name = small.saved(small.text_model("bert"), tmp_path)
    with pytest.raises(BackboneError, match=r"no tokenizer\.json.*save_pretrained"):
        backbones.text(name)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BackboneError, match="not a readable tokenizer"):
        backbones.text(name)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    name = small.saved(small.text_model("roberta"), tmp_path)
    small.tokenizer(tmp_path, (*small.WORDS, *(f"word{i}" for i in range(small.VOCABULARY))))
    with pytest.raises(BackboneError, match="do not belong together"):
        backbones.text(name)


def test_an_encoder_decoder_and_one_of_few_tokens_are_refused(tmp_path: Path) -> None:
    short = tmp_path / "short"
    name = small.saved(small.text_model("bert", max_position_embeddings=64), short)
    small.tokenizer(short)
    with pytest.raises(BackboneError, match="takes 64 tokens"):
        backbones.text(name)
    config = T5Config(vocab_size=30, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    name = small.saved(T5Model(config), tmp_path / "t5")
    shutil.copy(short / "tokenizer.json", tmp_path / "t5")
    with pytest.raises(BackboneError, match="has a decoder"):
        backbones.text(name)
