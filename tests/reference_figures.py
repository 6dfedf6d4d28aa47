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

AC2_AND_ICC = {
    "summeval_op.jsonl": {
        "fluency": (0.904165323880108, 0.5520849033729365),
        "coherence": (0.804558999179755, 0.43378408136347896),
        "relevance": (0.743622433977924, 0.502934937644004),
        "faithfulness": (0.764051634950088, 0.6326753486309783),
        "aspect_coverage": (0.771926012349095, 0.6438711095277734),
        "sentiment_consistency": (0.643511364374652, 0.4121661208782095),
        "specificity": (0.559597136673873, 0.3360458224450138),
    },
    "newsroom.jsonl": {
        "Informativeness": (0.611444014080448, 0.2914781949752316),
        "Relevance": (0.507649803015156, 0.16865549924871795),
        "Fluency": (0.241741380742348, 0.026471653828583935),
        "Coherence": (0.393448031275254, 0.08712135979912589),
    },
}
"""Of the ratings as they are: AC2, quadratic weights, by irrCAC 0.4.4, and ICC(1,1) by pingouin 0.6.1."""
