"""Figures that were published beside public annotation sets."""

SUMMEVAL = {
    "fluency": (0.603, 0.277),
    "coherence": (0.467, 0.264),
    "relevance": (0.501, 0.409),
    "faithfulness": (0.629, 0.521),
    "aspect_coverage": (0.658, 0.604),
    "sentiment_consistency": (0.458, 0.351),
    "specificity": (0.420, 0.298),
}
"""By attribute: quadratic-weighted kappa, mean over pairs of fixed raters, and Krippendorff's ordinal alpha."""
