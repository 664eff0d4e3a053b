"""What is said of each kind of finding: in the sentence of the verdict, as advice, and which metrics are about it."""

from __future__ import annotations

from collections.abc import Mapping

EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "dropped_modes": ("recall", "coverage", "clipped_coverage", "modes_found", "ndb", "mode_kl", "unseen_mass"),
    "thinned_modes": ("mode_tv", "mode_kl", "effective_modes", "ndb", "mode_js", "clipped_coverage", "emd"),
    "shrunken_modes": ("spacing_ratio", "recall", "vendi_ratio", "coverage"),
    "narrow": ("recall", "coverage", "vendi_ratio", "rke_ratio"),
    "near_duplicates": ("duplicate_fraction", "birthday_support", "recall"),
    "few_atoms": ("duplicate_fraction", "birthday_support", "recall", "vendi_ratio"),
    "copies": ("c_t", "authenticity", "fld"),
    "invented_modes": ("precision", "density", "clipped_density", "high_quality"),
    "low_fidelity": ("precision", "density", "clipped_density", "realism", "fid"),
}
"""Kind of finding -> metrics that are about it, the most telling first."""
ADVICE: Mapping[str, str] = {
    "dropped_modes": "Usual causes: a discriminator that forgets, guidance or truncation set too high, rare classes "
    "lost in training. Look at the samples named, then lower guidance or truncation, or balance the classes.",
    "thinned_modes": "Usual causes: guidance set too high, classes out of balance in the training data or in the "
    "prompts. Compare the class counts of both sides.",
    "shrunken_modes": "Usual causes: truncation, guidance or a temperature below 1, too few sampling steps, posterior "
    "collapse. Sample again without them.",
    "narrow": "Usual causes: truncation or guidance set too high, a distilled or fine-tuned model. Look at the samples "
    "named.",
    "near_duplicates": "Usual causes: seeds used more than once, a mode-collapsed discriminator, few distinct prompts. "
    "Check the seeds first.",
    "few_atoms": "Usual causes: seeds or prompts used more than once, a fully collapsed generator. Check the seeds "
    "first.",
    "copies": "Usual causes: duplicates in the training data, training too long on too few samples. Remove the "
    "duplicates, stop earlier.",
    "invented_modes": "Usual causes: samples of another data set, artefacts, interpolation between modes. Look at the "
    "samples named.",
    "low_fidelity": "Usual causes: too little training, too few sampling steps, other preprocessing on one side. Check "
    "the facts about size and format first.",
}
"""Kind of finding -> what usually causes it, and what helps."""
WORDS: Mapping[str, str] = {
    "dropped_modes": "modes are missing",
    "thinned_modes": "modes are thinned",
    "shrunken_modes": "modes are too narrow",
    "narrow": "regions of the real samples are avoided",
    "near_duplicates": "samples repeat each other",
    "few_atoms": "most samples repeat each other",
    "copies": "samples repeat training data",
    "invented_modes": "modes are invented",
    "low_fidelity": "samples lie far from the real ones",
}
"""Kind of finding -> what the sentence of the verdict says of it."""
