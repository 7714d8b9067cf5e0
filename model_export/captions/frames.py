"""Sentences around a phrase: who speaks, where, on what device, and who asks; none of it says how it feels.

A frame of a form takes in a phrase of that form as `{x}`. `{s}` is a speaker with article, `{pro}` the pronoun with
its verb ending left to `{es}`, `{their}` the possessive, `{w}` where the clip was made (often nothing). "their" and
"themselves" in a phrase follow the speaker.
"""

import re
from dataclasses import dataclass

import numpy as np

from model_export.captions.phrases import Phrase


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: the noun phrase with its article, and the pronouns for it."""

    text: str
    pronoun: str
    possessive: str
    reflexive: str


def _speakers(texts: str, *pronouns: str) -> list[Speaker]:
    return [Speaker(text.strip(), *pronouns) for text in texts.split(";")]


SPEAKERS: tuple[Speaker, ...] = (
    *_speakers("someone;a person;the speaker;somebody;a voice;a speaker;the person", "they", "their", "themselves"),
    *_speakers("a caller;the customer;a customer;an agent;a client;a teenager;a child;a student;a teacher;a friend;a "
               "stranger;an actor;a narrator;a character;an adult;a neighbour;a patient;a doctor;a guest;a colleague;"
               "a podcast host;a news reader;a native speaker;a non-native speaker;a young person;a passenger;"
               "a person with a foreign accent;an interviewee;a call-centre agent", "they", "their", "themselves"),
    *_speakers("a woman;a young woman;an elderly woman;a girl;the woman;a middle-aged woman;a mother;an old lady;a "
               "female speaker;a German woman;a Polish woman;an actress;she", "she", "her", "herself"),
    *_speakers("a man;a young man;an elderly man;a boy;the man;a middle-aged man;a father;an old man;a male speaker;"
               "a German man;a Polish man;a guy;he", "he", "his", "himself"),
)  # fmt: skip

_NOBODY = Speaker("someone", "they", "their", "themselves")

SETTINGS: tuple[str, ...] = (
    "on the phone",
    "over a bad line",
    "in a quiet room",
    "at home",
    "in a car",
    "in a meeting",
    "in an interview",
    "into a laptop microphone",
    "in a voice message",
    "in a studio",
    "on a podcast",
    "in a noisy place",
    "outdoors",
    "in German",
    "in Polish",
    "in English",
    "in another language",
    "in Spanish",
    "in Italian",
    "in Mandarin",
    "in a single sentence",
    "to a friend",
    "to a colleague",
    "to a crowd",
    "in a large hall",
    "during a call",
    "in a radio play",
    "on stage",
    "in a short clip",
    "in the background",
    "through a headset",
    "in a film scene",
)

FRAMES: dict[str, tuple[str, ...]] = {
    "predicate": (
        "{x}",
        "{x}",
        "{s} sounds {x}{w}",
        "{s} sounds {x}{w}",
        "{s} sounds {x}",
        "{s} seems {x}{w}",
        "{s} is {x}{w}",
        "{s} who sounds {x}{w}",
        "{s} who is {x}{w}",
        "{S} sounds {x}.",
        "sounding {x}",
        "find me {s} who sounds {x}{w}",
        "show me clips where {s} sounds {x}",
        "clips where {s} is {x}{w}",
        "recordings of {s} who is {x}",
        "looking for {s} who sounds {x}{w}",
        "I want to hear {s} who is {x}",
        "I feel {x}",
        "I am {x} right now",
        "you can hear that {s} is {x}",
        "it sounds as if {s} is {x}",
        "spoken by someone who is {x}",
        "a voice that sounds {x}",
        "a voice that is {x}",
        "speech that sounds {x}",
        "a customer who is {x}{w}",
        "line read as if {x}",
        "voice line, {x}",
        "read it as though you were {x}",
        "mood: {x}",
        "audio of {s}, {x}",
        "which recordings sound {x}?",
        "the way {s} talks is {x}",
        "they talk as if they were {x}",
    ),
    "attribute": (
        "a {x} voice",
        "a {x} voice",
        "{x} speech",
        "{x} voice",
        "a {x} tone of voice",
        "a {x} speaker",
        "spoken in a {x} tone{w}",
        "spoken in a {x} voice",
        "{s} talking in a {x} way{w}",
        "{s} with a {x} voice",
        "this voice feels {x}",
        "the tone is {x}",
        "the tone of voice is {x}",
        "a {x} way of speaking",
        "a {x} voice message",
        "a {x} phone call",
        "a {x} delivery",
        "a {x} performance of the line",
        "emotion: {x}",
        "the delivery is {x}",
        "a recording of a {x} speaker",
        "a {x} woman{w}",
        "a {x} man{w}",
        "a {x} person{w}",
        "a {x} customer{w}",
        "a {x} caller",
        "a {x} character",
        "find a {x} voice",
        "search for {x} speech",
        "give me something {x}",
        "{s} comes across as {x}{w}",
        "audio with a {x} mood",
        "The voice has a {x} quality.",
    ),
    "voice": (
        "a {x} voice",
        "{s} with a {x} voice{w}",
        "speaking in a {x} voice",
        "{s} speaks in a {x} voice{w}",
        "the voice is {x}",
        "{their} voice sounds {x}",
        "a {x} delivery",
        "in a {x} tone",
        "find {s} with a {x} voice",
        "{x} voice",
        "The voice is {x}.",
    ),
    "noun": (
        "{x}",
        "speech with {x}",
        "a voice with {x}",
        "{x} in the voice",
        "{s} speaking with {x}{w}",
        "{s} expresses {x}{w}",
        "you can hear {x} in {their} voice",
        "speech expressing {x}",
        "the voice carries {x}",
        "clips with {x}",
        "a recording that conveys {x}",
        "find speech that conveys {x}",
        "one hears {x} in the way {s} speaks",
        "samples showing {x}",
        "{s} talks with {x}",
        "I can hear {x}",
        "the line is delivered with {x}",
        "audio: {x}",
    ),
    "manner": (
        "speaking {x}",
        "speaking {x}{w}",
        "{s} speaks {x}{w}",
        "{s} talking {x}{w}",
        "{S} speaks {x}.",
        "spoken {x}",
        "said {x}",
        "{s} says it {x}",
        "a line delivered {x}",
        "find {s} speaking {x}{w}",
        "clips where {s} talks {x}",
        "the sentence is read {x}",
        "please say it {x}",
        "speech delivered {x}",
        "{s} who talks {x}{w}",
        "{x}",
    ),
    "doing": (
        "{s} {x}{w}",
        "{s} {x}",
        "{x}",
        "{s} is {x}{w}",
        "{S} is {x}.",
        "the sound of {s} {x}",
        "clips of {s} {x}",
        "find me {s} {x}{w}",
        "you can hear {s} {x}",
        "{s} who is {x}{w}",
        "a customer {x}{w}",
        "a recording of {s} {x}",
    ),
    "label": ("{x}", "{x}", "{x} speech", "speech: {x}", "a clip with {x}", "{s}, {x}", "emotion: {x}", "search: {x}"),
    "text": ("{x}",),
}


def write(phrase: Phrase, rng: np.random.Generator) -> str:
    """The phrase in a frame of its form, with a speaker and sometimes a setting."""
    options = FRAMES[phrase.form]
    frame = options[rng.integers(len(options))]
    speaker = SPEAKERS[rng.integers(len(SPEAKERS))] if "{s}" in frame or "{S}" in frame else _NOBODY
    if speaker.text == speaker.pronoun and not frame.startswith(("{s} s", "{s} i", "{S}")):
        speaker = SPEAKERS[0]  # "clips of she" is no English
    setting = f" {SETTINGS[rng.integers(len(SETTINGS))]}" if "{w}" in frame and rng.random() < 0.4 else ""
    return fill(frame, phrase.text, speaker, setting)


def fill(frame: str, phrase: str, speaker: Speaker, setting: str = "") -> str:
    """The finished text of a frame."""
    text = frame.format(
        x=agreeing(phrase, speaker),
        s=speaker.text,
        S=speaker.text[0].upper() + speaker.text[1:],
        their=speaker.possessive,
        w=setting,
    )
    return article(text)


def agreeing(phrase: str, speaker: Speaker) -> str:
    """The phrase with "they", "their" and "themselves" made to follow the speaker."""
    if speaker.possessive == "their":
        return phrase
    phrase = re.sub(r"\bthey are\b", f"{speaker.pronoun} is", phrase)
    phrase = re.sub(r"\bthey can\b", f"{speaker.pronoun} can", phrase)
    phrase = re.sub(r"\bthemselves\b", speaker.reflexive, phrase)
    return re.sub(r"\btheir\b", speaker.possessive, phrase)


def article(text: str) -> str:
    """`a angry voice` -> `an angry voice`; a few words that begin with a vowel's letter and no vowel keep their "a"."""
    return re.sub(r"\b([Aa]) (?=[aeiou])(?!eu|one\b|use|uniform)", r"\1n ", text)
