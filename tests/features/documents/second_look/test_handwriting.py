"""Digits written by hand are told apart."""

from __future__ import annotations

import cv2
import numpy as np
from sklearn.datasets import load_digits

from features.documents.second_look import handwriting


def test_most_digits_of_many_hands_are_told():
    digits = load_digits()
    chosen = np.random.default_rng(0).choice(len(digits.target), 150, replace=False)
    right = 0
    for number in chosen:
        large = cv2.resize(
            digits.images[number].astype(np.float32) / 16, (48, 48), interpolation=cv2.INTER_CUBIC
        )
        right += handwriting.digit(np.asarray(large > 0.45))[0] == digits.target[number]
    assert right >= 0.95 * len(chosen)


def test_letters_and_specks_are_no_number():
    ink = np.zeros((120, 400), np.uint8)
    cv2.putText(ink, "KMW", (20, 100), cv2.FONT_HERSHEY_SIMPLEX, 3, 255, 8)
    assert list(handwriting.numbers(ink, least=40, most=120)) == []
