"""Prototypes of handwritten digits, from those that scikit-learn brings: what the reading of forms ships.

`python -m training.handwriting` writes them anew.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from features.documents.second_look import handwriting

PROTOTYPES: Final = 12  # of each digit
INKED: Final = 0.45  # share of full ink


def shapes() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the shape of each of scikit-learn's digits, shape (n, 200), and which digit it is."""
    digits = load_digits()
    found = []
    for image in digits.images:
        large = cv2.resize(image.astype(np.float32) / 16, (48, 48), interpolation=cv2.INTER_CUBIC)
        found.append(handwriting.shape(np.asarray(large > INKED)))
    return np.array(found), np.asarray(digits.target, np.int64)


def lines(vectors: npt.NDArray[np.float32], values: npt.NDArray[np.int64]) -> list[str]:
    """Return one line a prototype: the digit, and its shape in hexadecimal bytes."""
    said = []
    for value in range(10):
        centres = KMeans(PROTOTYPES, n_init=4, random_state=0).fit(vectors[values == value]).cluster_centers_
        scaled = np.clip(np.round(centres * 512), 0, 255).astype(np.uint8)
        said += [f"{value}{bytes(centre).hex()}" for centre in scaled]
    return said


if __name__ == "__main__":
    target = Path(str(files("features.documents.second_look").joinpath("digits.txt")))
    target.write_text("\n".join(lines(*shapes())) + "\n", encoding="ascii")
