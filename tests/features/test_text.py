"""Text scores: the library's TF-IDF, faster; multilingual; honest on training rows."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from features.text import ANALYZERS, COMMON, fit_text

WORDS = ["motor", "dead", "smoke", "Kabel", "kaputt", "läuft", "écran", "cassé", "button", "lid"]


@pytest.fixture
def texts(rng):
    return np.array([" ".join(rng.choice(WORDS, 6)) for _ in range(200)], object)


@pytest.fixture
def targets(texts):
    return np.array([["kaputt" in text, "kaputt" not in text] for text in texts], float)


def test_scores_are_those_of_the_library_s_tf_idf(texts, targets, rng):
    scorer, _ = fit_text(texts, targets, rng=rng)
    by_library = scorer.base + sum(
        TfidfVectorizer(sublinear_tf=True, **settings, **COMMON).fit(texts).transform(texts) @ terms.weights
        for settings, terms in zip(ANALYZERS, scorer.terms, strict=True)
    )
    np.testing.assert_allclose(scorer.scores(texts), by_library, atol=1e-12)


def test_a_text_that_many_rows_share_weighs_as_many_rows(texts, targets, rng):
    often = np.arange(len(texts)).repeat(rng.integers(1, 9, len(texts)))
    scorer, _ = fit_text(texts[often], targets[often], rng=rng)
    for settings, terms in zip(ANALYZERS, scorer.terms, strict=True):
        library = TfidfVectorizer(sublinear_tf=True, **settings, **COMMON).fit(texts[often])
        assert set(terms.places) == set(library.vocabulary_)
        np.testing.assert_allclose(terms.idf, library.idf_)


def test_a_telling_word_tells(texts, targets, rng):
    scorer, held_out = fit_text(texts, targets, rng=rng)
    assert (held_out.argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.9
    score = scorer.scores(np.array(["KAPUTT!", "button"], object))
    assert score[0, 0] > score[1, 0]


def test_what_cannot_be_learned_from_text_is_not_learned(texts, rng):
    coin = np.eye(2)[rng.integers(2, size=len(texts))]
    _, held_out = fit_text(texts, coin, rng=rng)
    assert (held_out.argmax(axis=1) == coin.argmax(axis=1)).mean() < 0.65


def test_a_missing_text_has_missing_scores(texts, targets, rng):
    scorer, _ = fit_text(texts, targets, rng=rng)
    assert np.isnan(scorer.scores(np.array([None, ""], object))).all()
