"""The table of scores: what each is called, which end is suspicious, where it comes from, and what it costs."""

from __future__ import annotations

from typing import NamedTuple

from explorer.config import RunConfig


class ScoreInfo(NamedTuple):
    """What a score is called, which end is suspicious, and what a person should know before trusting it."""

    title: str
    suspicious: str  # "high" or "low"
    unit: str
    explanation: str
    paper: str
    departure: str
    cost: str  # beyond training, with one evaluation pass per epoch; counted by forward_passes


SCORES: dict[str, ScoreInfo] = {
    "curvature": ScoreInfo(
        "Input-loss curvature", "high", "nats/unit²",
        "How fast the loss gradient turns when the image changes a little, averaged over the probed epochs. The network bends its "
        "decision sharply around images it makes an exception for: good at conflicting copies and atypical images.",
        "Garg, Ravikumar, Roy 2024, arXiv:2307.05831",
        "Summed loss (the authors' mean divides by the batch size), divided by the radius; the default uses 2 random "
        "directions, the paper 10.",
        "(directions + 1) forward and backward passes per probed epoch",
    ),
    "curvature_last": ScoreInfo(
        "Curvature at the end", "high", "nats/unit²",
        "Input-loss curvature at the last probed epoch alone. Once an image is memorized the network widens its margin and flattens "
        "again: averaging over the epochs keeps what the end forgets.",
        "Garg, Ravikumar, Roy 2024, arXiv:2307.05831",
        "As for input-loss curvature.",
        "(directions + 1) forward and backward passes, once",
    ),
    "sensitivity": ScoreInfo(
        "Loss sensitivity", "high", "nats/unit",
        "Length of the loss gradient at the image, averaged over the probed epochs: how much a small change of the image would "
        "change its loss.",
        "Arpit et al. 2017, arXiv:1706.05394",
        "Euclidean norm, after each probed epoch; the paper averages over steps of training.",
        "one forward and backward pass per probed epoch; none beside curvature, which computes it anyway",
    ),
    "cumulative_loss": ScoreInfo(
        "Cumulative loss", "high", "nats",
        "The image's loss added up over the epochs. Labels that resist being learned pile it up: the best single score here for "
        "labels flipped at random.",
        "Ravikumar et al. 2025 (CSL), ICML",
        "Sum over epochs in evaluation mode; the paper averages, which ranks the same.",
        "none",
    ),
    "aum": ScoreInfo(
        "Area under the margin", "low", "logits",
        "By how much the given label's logit leads its best rival, averaged over the epochs. A wrong label fights the class the "
        "image really shows.",
        "Pleiss et al. 2020, arXiv:2001.10528",
        "Read after each epoch in evaluation mode, not during the training step.",
        "none",
    ),
    "confidence": ScoreInfo(
        "Confidence", "low", "probability",
        "Probability of the given label, averaged over the epochs: one axis of the data map. A label that is wrong gets little of it "
        "until it is memorized.",
        "Swayamdipta et al. 2020 (dataset cartography), arXiv:2009.10795",
        "Read after each epoch in evaluation mode, not during the training step.",
        "none",
    ),
    "variability": ScoreInfo(
        "Variability", "high", "probability",
        "How much the probability of the given label varies over the epochs: the other axis of the data map. A wrong label that was "
        "resisted and then memorized varies most. One that is never memorized, as under ELR or after an early stop, stays low on "
        "both axes: read it beside confidence.",
        "Swayamdipta et al. 2020 (dataset cartography), arXiv:2009.10795",
        "The paper looks for mistakes where confidence and variability are both low, in networks trained for a few epochs. "
        "Networks trained until they memorize leave that corner, so high counts as suspicious.",
        "none",
    ),
    "forgetting_events": ScoreInfo(
        "Forgetting events", "high", "events",
        "How often the network had the given label right and lost it again; E where it never had it right.",
        "Toneva et al. 2019, arXiv:1812.05159",
        "Counted between epochs, not between presentations.",
        "none",
    ),
    "learning_epoch": ScoreInfo(
        "Learning epoch", "high", "epochs",
        "First epoch from which the given label stays predicted to the end; E + 1 where it never does. Wrong labels are learned late.",
        "Toneva et al. 2019, arXiv:1812.05159",
        "Evaluation mode, once per epoch.",
        "none",
    ),
    "cumulative_errors": ScoreInfo(
        "Cumulative errors", "high", "epochs",
        "In how many epochs the network did not predict the given label.",
        "cumulative correctness in Ravikumar et al. 2025",
        "A count, not a share.",
        "none",
    ),
    "el2n": ScoreInfo(
        "EL2N", "high", "probability",
        "Distance between the predicted probabilities and the given label early on, a tenth of the way into training.",
        "Paul, Ganguli, Dziugaite 2021, arXiv:2107.07075",
        "One run; the paper averages ten or more, so single images are noisy here.",
        "none",
    ),
    "final_loss": ScoreInfo(
        "Final loss", "high", "nats",
        "Loss at the last epoch. A network that has memorized everything has little left to say here.",
        "Arpit et al. 2017, arXiv:1706.05394",
        "",
        "none",
    ),
    "self_confidence": ScoreInfo(
        "Self-confidence", "low", "probability",
        "Probability of the given label at the last epoch; the same order as final loss, read as a probability.",
        "Northcutt et al. 2021, arXiv:1911.00068",
        "Of the network that was trained on the image, unless predictions were read from a file; the paper asks for out-of-sample "
        "probabilities, which are better.",
        "none",
    ),
    "normalised_margin": ScoreInfo(
        "Normalised margin", "low", "of 1",
        "Probability of the given label minus that of its best rival at the last epoch, moved to 0 to 1. It tells a label that lost to "
        "another from one the network is merely unsure of.",
        "Northcutt et al. 2021, arXiv:1911.00068; Kuan, Mueller 2022",
        "Of the network that was trained on the image, unless predictions were read from a file; the paper asks for out-of-sample "
        "probabilities, which are better.",
        "none",
    ),
    "small_loss_gmm": ScoreInfo(
        "Small-loss mixture", "high", "probability",
        "Two normal distributions are fitted to the losses of the last epoch; this is the chance to belong to the one with the larger "
        "losses. The top may tie, and after memorization little is left to tell apart.",
        "Li, Socher, Hoi 2020 (DivideMix), arXiv:2002.07394",
        "Starts from the losses below and above their mean instead of k-means, so that the order of the images does not matter; "
        "losses of the last epoch instead of after a warm-up.",
        "none",
    ),
    "knn_disagreement": ScoreInfo(
        "Neighbour disagreement", "high", "share",
        "Share of the 10 nearest images (by embedding, weighted by similarity) that carry another label. The cheap baseline any "
        "other score must beat.",
        "Zhu et al. 2022 (SimiFeat), arXiv:2110.06283",
        "The network's own embedding at the epoch of peak curvature, not a frozen foreign one; no repeated augmented rounds.",
        "one exact neighbour search",
    ),
    "elr_target": ScoreInfo(
        "ELR target", "high", "share",
        "Share of the other classes in ELR's target memory: what early learning made of the image, before wrong labels could take hold. "
        "Only with the loss elr or elr_plus.",
        "Liu et al. 2020, arXiv:2007.00151",
        "The authors only compare the largest target with the label.",
        "none, a by-product of the loss",
    ),
    "out_of_sample_confidence": ScoreInfo(
        "Out-of-sample confidence", "low", "probability",
        "Probability of the given label by a network that never saw the image, so it cannot have memorized it.",
        "Northcutt et al. 2021, arXiv:1911.00068",
        "",
        "one more training per fold, each on all other folds",
    ),
    "out_of_sample_margin": ScoreInfo(
        "Out-of-sample margin", "low", "of 1",
        "Normalised margin by a network that never saw the image.",
        "Northcutt et al. 2021, arXiv:1911.00068; Kuan, Mueller 2022",
        "",
        "the same pass as out-of-sample confidence",
    ),
    "confident_learning": ScoreInfo(
        "Confident learning", "high", "of 1",
        "The cleanlab library counts how often each class is confidently mistaken for each other one and flags as many images: those "
        "come first (above one half), all others behind, both in the order of the out-of-sample margin.",
        "Northcutt et al. 2021, arXiv:1911.00068",
        "The paper's method only flags; the order inside and outside the flagged group is by margin, so that nothing ties.",
        "the same pass as out-of-sample confidence",
    ),
    "second_split_forgetting": ScoreInfo(
        "Second-split forgetting", "low", "epochs",
        "After training on one half of the images it goes on with the other half: the epoch after which the label stays forgotten. "
        "Wrong labels are forgotten early, rare images late.",
        "Maini et al. 2022, arXiv:2210.15031",
        "One run instead of a mean over several; evaluation mode. Labels never forgotten tie.",
        "one more training, on either half and then on the other",
    ),
}  # fmt: skip


# What comes of how the network took to an image, epoch by epoch: from one look at a finished network there is nothing to tell.
HISTORY = ("cumulative_loss", "aum", "confidence", "variability", "forgetting_events", "learning_epoch", "cumulative_errors")


def forward_passes(name: str, config: RunConfig) -> float:
    """Forward passes of one image, over the whole run, that a score costs beyond bare training; 0 where it is switched off, and
    where nothing is trained or passed through a network.

    A backward pass counts as two, and as one where only the image's gradient is taken. Scores of recorded facts share one
    evaluation pass per epoch, so together they cost what one of them does; out-of-sample scores share their folds in the same
    way. Each fold's network trains on the other folds: k - 1 trainings' worth of steps, and one pass to predict. Second-split
    forgetting trains each half in full, goes on with the other, and looks at the first half before that and after each further
    epoch. The neighbour search passes nothing through the network. ELR+ has two networks, and each training step also asks
    the other network's weight average.
    """
    if not config.trains:
        return 0.0
    networks, step = (2, 4) if config.loss == "elr_plus" else (1, 3)
    E, F = config.epochs, config.second_split_epochs
    probed = E // config.curvature_every if config.curvature_every else 0
    folds = (config.folds - 1) * E * step + 1 if config.folds else 0
    halves = (E + F) * step + F + 1 if F else 0
    passes = {
        **dict.fromkeys(SCORES, E), "curvature": 2 * (config.curvature_directions + 1) * probed, "sensitivity": 2 * probed,
        "curvature_last": 2 * (config.curvature_directions + 1) * min(1, probed),
        "knn_disagreement": 0, "elr_target": 0, "out_of_sample_confidence": folds, "out_of_sample_margin": folds,
        "confident_learning": folds, "second_split_forgetting": halves,
    }  # fmt: skip
    return float(networks * passes[name])
