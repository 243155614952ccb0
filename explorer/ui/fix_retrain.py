"""The Fix page: train the same networks on the corrected labels, and see whether that helped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from explorer.analysis import decisions
from explorer.config import ConfigError
from explorer.records import DataError, StoreError
from explorer.runs.retraining import BeforeAfter, keep_corrections
from explorer.ui import theme
from explorer.ui.fix_corrected import Ground, as_corrections, change_of, change_words, effective, ground_of, outcome_words, reason_words
from explorer.ui.fix_networks import plan_of, show_command, show_networks
from explorer.ui.fix_proof import runs_table, show_proof, show_rounds
from explorer.ui.fix_rounds import Round, proof_of, relatives, rounds_of
from explorer.ui.reviewing import Reviewing
from explorer.ui.services import get_store
from explorer.ui.sweep_words import counted
from explorer.ui.words import plain

SEEDS, MOST_SEEDS = 3, 10
WHAT = (
    "A correction is worth what it does to a network. The same network is trained on the labels **before** and **after** it, with the same "
    "settings and the same seeds, so that the labels are all that differs."
)
UNTRAINED = (
    "This run trained nothing, so there is no network to train again. Choose above, or train on the Train page, a run on these data."
)
UNDECIDED = "Nothing has been decided about these images yet. Decide on some under *Review*; what you change can be trained on here."
UNCHANGED = (
    "Every decision keeps the given label, so the corrected data are the data as they are: there is nothing to train again. "
    "That is a finding too: these labels were right."
)
TRUTH = "Also on the true labels: what a perfect review would reach"


def show_retrain(review: Reviewing) -> None:
    """What the corrected data are, the networks to train on them, and the proof."""
    st.markdown(WHAT)
    if not review.run.config.trains:
        st.info(UNTRAINED)
        return
    try:
        _show(review, ground_of(review.run))
    except (ConfigError, DataError, StoreError, OSError) as error:
        st.error(f"{str(error).rstrip('.')}.")


def _show(review: Reviewing, ground: Ground) -> None:
    now = effective(review.verdicts, ground)
    _say_what_changes(review, ground)
    current = keep_corrections(get_store().root, now, ground.class_names) if len(now.source_index) else None
    runs = relatives(get_store().runs(), ground.config)
    rounds = rounds_of(ground, runs, current)
    if not rounds:
        return
    chosen = _choose(rounds)
    seeds, truth = _choose_networks(ground)
    proof = proof_of(ground.config, chosen.path, seeds, runs)
    plan = plan_of(proof, seeds, truth=truth)
    show_networks(plan)
    show_proof(review.run, proof)
    _show_runs(proof)
    show_rounds([(each, proof_of(ground.config, each.path, (), runs)) for each in rounds if math.isfinite(each.made_at)])
    show_command(ground.config, chosen.path, plan, seeds)


# -- what is corrected -------------------------------------------------------------------------------


def _say_what_changes(review: Reviewing, ground: Ground) -> None:
    verdicts = review.verdicts
    kinds = decisions.count_kinds(verdicts, ground.source_index)
    if not sum(kinds.values()):
        st.info(UNDECIDED)
        return
    change = change_of(ground, as_corrections(verdicts))
    if not change.relabelled + change.left_out:
        st.info(UNCHANGED)
        return
    reasons, kept = reason_words(kinds), kinds["label"] - change.relabelled
    words = f"**{change_words(change)}**{f' ({reasons})' if reasons else ''}; {counted(kept, 'decision')} kept the given label."
    whose = f" Only the decisions of {plain(review.whose)} count." if review.whose else ""
    st.markdown(f"{words}{whose}")
    if change.outcome is not None and ground.labels.true_label is not None:
        right = decisions.right_share(verdicts, ground.source_index, ground.labels.true_label)
        share = f" {right.right:,} of {counted(right.judged, 'decision')} were right ({theme.percent(right.right / right.judged)})."
        st.markdown(f"{outcome_words(change.outcome)}{share if right.judged else ''}")


def _choose(rounds: Sequence[Round]) -> Round:
    """Which corrected version, where there are several."""
    if len(rounds) == 1:
        return rounds[0]
    found = {each.path: each for each in rounds}
    path = st.selectbox(
        "Corrected labels", list(found), format_func=lambda path: found[path].words, key=f"retrain_round_{len(rounds)}_{rounds[0].path}",
        help="Earlier versions are kept, with the networks trained on them: so it can be seen what every round of review brought.",
    )  # fmt: skip
    return found[path]


# -- the networks ------------------------------------------------------------------------------------


def _choose_networks(ground: Ground) -> tuple[tuple[int, ...], bool]:
    """(seeds, whether networks are also trained on the true labels)."""
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with left:
        number = st.number_input(
            "Seeds", 1, MOST_SEEDS, SEEDS, key="retrain_seeds", persist_state="page",
            help="Each is another start of the same network, once before and once after. More seeds tell smaller changes from chance.",
        )  # fmt: skip
    known = ground.labels.is_mislabeled is not None and bool(ground.labels.is_mislabeled.any())
    with right:
        truth = known and st.toggle(TRUTH, value=True, key="retrain_truth", persist_state="page")
    return wanted_seeds(ground.config.seed, int(number)), truth


def wanted_seeds(own: int, number: int) -> tuple[int, ...]:
    """The run's own seed and the smallest others: whichever run one comes from, the networks are mostly the same."""
    others = [seed for seed in range(number) if seed != own]
    return (own, *others[: number - 1])


def _show_runs(proof: BeforeAfter) -> None:
    """Every network with its test accuracy or state, as a link to it."""
    status = get_store().statuses([member.run_id for family in proof.members.values() for member in family])
    st.markdown("**The runs**, with the test accuracy of each: a click opens it.")
    st.markdown(runs_table(proof.members, status))
