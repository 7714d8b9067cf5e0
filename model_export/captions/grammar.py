"""The grammar: every kind of phrase in many sentences, evenly over the affect plane.

A pool is drawn cell by cell of the plane (half a point of the scale 1..7 wide), in each cell in turn from all kinds of
phrases that lie there: words with degrees, plain levels of one axis and of both, blends, negations, voices, and
paragraphs. So a pool covers the plane evenly in place and in wording, whatever the vocabulary favours.
"""

import re
from collections import defaultdict

import numpy as np

from model_export.captions.blends import blend_phrases, delivery_phrases
from model_export.captions.caption import Caption, at, inside
from model_export.captions.frames import article, write
from model_export.captions.levels import level_phrases, plane_phrases
from model_export.captions.paragraphs import label_phrases, paragraph_phrases
from model_export.captions.phrases import DEGREES, Phrase, of_words, scaled
from model_export.captions.vocabulary import Word, vocabulary

# Cells a side of the plane.
CELLS = 12
# In which order the kinds take turns within a cell; a kind that has nothing there is passed over.
_TURNS = ("word", "level", "plane", "word", "blend", "ladder", "voice", "word", "plane", "paragraph", "negation")
# Each plain word comes in this many sentences, and each phrase for a level, whatever the cell's share.
_SENTENCES_EACH = 2
# Words of each term in a bundle's prompt bank.
_BANK_WORDS = 8


def pool(seed: int = 0, size: int = 18_000, leave_out: frozenset[str] = frozenset()) -> list[Caption]:
    """About `size` different captions for a training run, the same for the same seed.

    No caption, of any kind, contains a word or expression of `leave_out` as whole words, nor the adverb of a left-out
    adjective (they test generalisation). A small `size` still has every plain word and every phrase for a level once.
    """
    rng = np.random.default_rng(seed)
    banned = banned_in(leave_out)
    found = [p for p in _all_phrases(rng, size) if not (banned and banned.search(p.text.lower()))]
    cells = _cells(found)
    plain = {word.word for word in vocabulary()}
    share = size / CELLS**2
    sentences = _SENTENCES_EACH if size >= 10_000 else 1
    captions: dict[str, Caption] = {}
    for cell in sorted(cells):
        kinds = {kind: [members[k] for k in rng.permutation(len(members))] for kind, members in cells[cell].items()}
        certain = [p for p in kinds.get("word", []) if p.text in plain] + kinds.get("level", [])
        certain = certain * sentences + kinds.get("ladder", [])
        queue = certain + _in_turn(kinds, int(6 * share) + 1)
        wanted, written = max(int(share), len(certain)), 0
        for phrase in queue:
            if written >= wanted:
                break
            text = write(phrase, rng)
            if text in captions or (banned and banned.search(text.lower())):
                continue
            captions[text] = at(text, phrase.term, phrase.place)
            written += 1
    return list(captions.values())


def _all_phrases(rng: np.random.Generator, size: int) -> list[Phrase]:
    words = vocabulary()
    many = max(1, size // 2500)
    found = of_words(words, rng, degrees_each=many)
    found += [p for axis in ("valence", "arousal") for level in level_phrases(axis).values() for p in level]
    found += plane_phrases(rng, pairs_each=7 * many) + label_phrases()
    found += blend_phrases(words, rng, count=700 * many) + delivery_phrases(words, rng, count=300 * many)
    found += paragraph_phrases(found, rng, count=350 * many)
    return list({(p.text, p.form): p for p in found}.values())


def _cells(found: list[Phrase]) -> dict[tuple[int, int], dict[str, list[Phrase]]]:
    cells: dict[tuple[int, int], dict[str, list[Phrase]]] = defaultdict(lambda: defaultdict(list))
    for phrase in found:
        valence, arousal, _ = inside(phrase.place)
        key = (min(CELLS - 1, int((valence + 1) / 2 * CELLS)), min(CELLS - 1, int((arousal + 1) / 2 * CELLS)))
        cells[key][phrase.kind].append(phrase)
    return cells


def _in_turn(kinds: dict[str, list[Phrase]], count: int) -> list[Phrase]:
    """`count` phrases, the kinds taking turns, each going round its own members."""
    turns = [kind for kind in _TURNS if kind in kinds]
    at_member: dict[str, int] = defaultdict(int)
    queue = []
    for k in range(count):
        kind = turns[k % len(turns)]
        queue.append(kinds[kind][at_member[kind] % len(kinds[kind])])
        at_member[kind] += 1
    return queue


def banned_in(leave_out: frozenset[str]) -> re.Pattern[str] | None:
    """What finds the words, and the adverbs made of them, in a caption in lower case; None for no words."""
    banned = set(leave_out) | {word.adverb for word in vocabulary() if word.adverb and word.word in leave_out}
    if not banned:
        return None
    return re.compile(r"\b(?:" + "|".join(re.escape(word.lower()) for word in sorted(banned)) + r")\b")


def bank() -> list[Caption]:
    """The prompts that ship in a bundle: the commonest adjectives of each term, plain, softened and strengthened."""
    found = []
    counts: dict[str, int] = defaultdict(int)
    for word in vocabulary():
        if word.kind not in ("adjective", "predicative") or counts[word.term] >= _BANK_WORDS:
            continue
        counts[word.term] += 1
        degrees = ("",) if word.term == "neutral" else ("slightly", "", "very")
        found += [_prompt(word, degree) for degree in degrees]
    return found


def _prompt(word: Word, degree: str) -> Caption:
    text = f"{degree} {word.word}".strip()
    frame = "a {x} voice" if word.kind == "adjective" else "a voice that sounds {x}"
    return at(article(frame.format(x=text)), word.term, scaled(word.place, DEGREES[degree]))
