"""Captions: free text about how speech feels, each with the affect that its words say.

Three sources: the grammar (`pool`, offline, the default), a manifest's own column (`column`), and a language model
behind a chat endpoint (`writer`). `Sampler` draws from a pool; a caption is drawn anew each time a clip is seen.
"""

from model_export.captions.caption import Caption
from model_export.captions.grammar import bank, pool
from model_export.captions.sampler import Sampler
from model_export.captions.vocabulary import Word, place_of, vocabulary

__all__ = ["Caption", "Sampler", "Word", "bank", "place_of", "pool", "vocabulary"]
