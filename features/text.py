"""Free text into a few numbers: how strongly its words point to each outcome, in any language.

Words and letter groups (TF-IDF) feed a ridge regression on the label; its scores are the features. Training
rows are scored by a model that has not seen them, so that a memorised sentence never looks like evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

Floats = npt.NDArray[np.float64]
# Chosen on OpenRepair's earlier years: letters carry the languages that words are too rare in.
ANALYZERS: Final[tuple[dict[str, Any], ...]] = (
    {"analyzer": "word", "ngram_range": (1, 2), "max_features": 30_000, "min_df": 5},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 40_000, "min_df": 10},
)
COMMON: Final[dict[str, Any]] = {"sublinear_tf": True, "strip_accents": "unicode", "dtype": np.float64}
RIDGE: Final = 15.0
FOLDS: Final = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that one analyzer knows: their place among the weights, and how telling each is."""

    places: Mapping[str, int]
    idf: Floats
    weights: Floats  # of shape (terms, k): what each term adds to each score

    def add_up(self, tokens: Iterable[str]) -> Floats:
        """Return what the tokens of one text add to its scores: TF-IDF of length one, times the weights."""
        counts = Counter(place for place in map(self.places.get, tokens) if place is not None)
        if not counts:
            return np.zeros(self.weights.shape[1])
        places = np.fromiter(counts.keys(), np.intp, len(counts))
        frequency = np.fromiter(counts.values(), np.float64, len(counts))
        share = (1.0 + np.log(frequency)) * self.idf[places]
        return np.asarray(share @ self.weights[places] / np.sqrt(share @ share))


@dataclass(frozen=True, slots=True)
class TextScores:
    """One learned reading of one text column.

    Parameters
    ----------
    terms : tuple of Terms
        Words and letter groups, in the order of `ANALYZERS`.
    base : ndarray of shape (k,)
        The scores of a text without known terms.
    """

    terms: tuple[Terms, ...]
    base: Floats

    def scores(self, texts: npt.NDArray[Any]) -> Floats:
        """Return k scores for each text; NaN where the text is missing or empty."""
        result = np.full((len(texts), len(self.base)), np.nan)
        known: dict[str, Floats] = {}
        for place, text in enumerate(texts):
            if text:
                if text not in known:
                    known[text] = self._scores(text)
                result[place] = known[text]
        return result

    def _scores(self, text: str) -> Floats:
        return sum(
            (terms.add_up(tokens) for terms, tokens in zip(self.terms, _tokens(text), strict=True)), self.base
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything learned as plain arrays: terms as text, the rest as numbers."""
        named: dict[str, npt.NDArray[Any]] = {"base": self.base}
        for place, terms in enumerate(self.terms):
            named[f"terms{place}"] = np.array(sorted(terms.places, key=terms.places.__getitem__), str)
            named[f"idf{place}"], named[f"weights{place}"] = terms.idf, terms.weights
        return named

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> TextScores:
        """Rebuild from `arrays`; the scores are the same to the last bit."""
        terms = (
            Terms(
                {str(term): index for index, term in enumerate(arrays[f"terms{place}"])},
                arrays[f"idf{place}"],
                arrays[f"weights{place}"],
            )
            for place in range(len(ANALYZERS))
        )
        return cls(tuple(terms), arrays["base"])


@cache
def _analyzers() -> tuple[Callable[[str], list[str]], ...]:
    return tuple(TfidfVectorizer(**settings, **COMMON).build_analyzer() for settings in ANALYZERS)


# Every model reads the same note: cutting it into tokens once is enough.
@lru_cache(maxsize=64)
def _tokens(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(analyze(text)) for analyze in _analyzers())


def fit_text(
    texts: npt.NDArray[Any], targets: Floats, *, rng: np.random.Generator
) -> tuple[TextScores, Floats] | None:
    """Learn a text column; None where the texts share too few terms to learn from.

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        What the scores should tell: one column a class (1 and 0), or one column of amounts.

    Returns
    -------
    TextScores and ndarray of shape (n, k), or None
        The learned scores, and for each training row the score of a model that did not see it.
    """
    given = np.fromiter((bool(text) for text in texts), bool, len(texts))
    try:
        vectorizers = tuple(TfidfVectorizer(**settings, **COMMON) for settings in ANALYZERS)
        terms = sparse.hstack([vectorizer.fit_transform(texts[given]) for vectorizer in vectorizers], "csr")
    except ValueError:  # no term is frequent enough
        return None
    y = targets[given]
    fold = rng.permutation(len(y)) % FOLDS
    unseen = np.empty_like(y)
    for place in range(FOLDS):
        weights, base = _ridge(terms[fold != place], y[fold != place])
        unseen[fold == place] = terms[fold == place] @ weights + base
    held_out = np.full(targets.shape, np.nan)
    held_out[given] = unseen
    weights, base = _ridge(terms, y)
    return TextScores(_split(vectorizers, weights), base), held_out


def _split(vectorizers: tuple[TfidfVectorizer, ...], weights: Floats) -> tuple[Terms, ...]:
    """Give each analyzer's terms their part of the weights."""
    ends = np.cumsum([len(vectorizer.idf_) for vectorizer in vectorizers])[:-1]
    return tuple(
        Terms({term: int(place) for term, place in vectorizer.vocabulary_.items()}, vectorizer.idf_, part)
        for vectorizer, part in zip(vectorizers, np.split(weights, ends), strict=True)
    )


def _ridge(terms: sparse.csr_matrix, y: Floats) -> tuple[Floats, Floats]:
    # Centred by hand: an intercept would make the solver carry a dense copy of the means.
    base = y.mean(axis=0)
    model = Ridge(alpha=RIDGE, solver="sparse_cg", tol=1e-3, fit_intercept=False).fit(terms, y - base)
    return np.asarray(model.coef_).reshape(y.shape[1], -1).T.copy(), base
