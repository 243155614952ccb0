"""The Fix page: did correcting the labels help? The networks before and after, seed by seed, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.analysis.before_after import PairedChange, paired_change, verdict_sentence
from explorer.records import Run
from explorer.runs.retraining import MEASURES, BeforeAfter, Member
from explorer.ui import state, theme
from explorer.ui.assets import palette
from explorer.ui.figures_before_after import Pairs, before_after_figure, before_after_info, change_words, value_words
from explorer.ui.fix_rounds import Round, measured, round_rows
from explorer.ui.live_chart import live_chart
from explorer.ui.sweep_words import counted
from explorer.ui.words import STATUS_WORDS

HEIGHT = 270  # pixels
COLUMNS = {"before": "before", "after": "after", "truth": "true labels"}  # of the table of runs
ON_GIVEN = "accuracy on held-out given labels"
NOT_REFERENCE = (
    "The test labels are not reference labels but held-out given ones, some of them wrong as well. So this says how well the networks "
    "predict labels like the given ones; a network that learned the truth is counted wrong wherever a test label is."
)
ONE_SEED = (
    "One seed shows what happened once. Another start of the same network may differ as much without any fix: train at least two, better "
    "three or more, to tell the fix from chance."
)
NO_TEST = "These data have no test images, so whether the networks became better cannot be told: retrain with *Test images* auto."
READ = (
    "Open circles: networks trained before the fix; filled: after it; a line joins the two of one seed. The bar is where the mean after "
    "lies, with the 95 % interval of its change; the dotted line is no change: a bar that crosses it may be chance."
)
LOWER = "Lower is better for memorized labels. Susceptibility and curvature describe how the network fits; they are no aim in themselves."


def pairs_of(proof: BeforeAfter, *, reference: bool) -> dict[str, Pairs]:
    """Each measure of MEASURES as pairs by seed. reference: whether the test labels are reference labels."""
    titles = {} if reference else {"test_accuracy": f"{ON_GIVEN} (%)"}

    def pairs(measure: str) -> Pairs:
        before, after, truth = (measured(proof, measure, family) for family in ("before", "after", "truth"))
        return before_after_info(measure, before, after, truth, titles.get(measure, ""))

    return {measure: pairs(measure) for measure in MEASURES}


def show_proof(run: Run, proof: BeforeAfter) -> None:
    """The verdict in words, then a drawing for each measure, and what the numbers cannot tell."""
    pairs = pairs_of(proof, reference=run.test_is_reference)
    st.subheader("Did the fix help?")
    st.markdown(verdict(pairs, len(proof.seeds), reference=run.test_is_reference))
    if not len(proof.seeds):
        return
    for caveat in caveats(pairs, len(proof.seeds), reference=run.test_is_reference):
        st.caption(caveat)
    drawn = [info for info in pairs.values() if info.change is not None]
    for column, info in zip(st.columns(len(drawn)) if drawn else [], drawn, strict=True):
        with column:
            alt = f"{info.title}: {change_words(info)}"
            live_chart(before_after_figure(info, palette(), HEIGHT), key=f"proof_{info.measure}", height=HEIGHT, alt=alt)
    st.caption(f"{READ} {perfect_words(pairs)}{LOWER}")


# -- in words --------------------------------------------------------------------------------------


def verdict(pairs: Mapping[str, Pairs], seeds: int, *, reference: bool) -> str:
    """Whether the fix helped, and what a perfect review would have reached."""
    test = pairs["test_accuracy"]
    if seeds and test.change is None:
        return f"**{NO_TEST}**"
    change = test.change or paired_change([], [])
    sentence = verdict_sentence(change, "clean test accuracy" if reference else ON_GIVEN)
    lead, colon, rest = sentence.partition(":")
    return f"**{lead}{colon}**{rest} {perfect_sentence(test)}".strip()


def perfect_sentence(test: Pairs) -> str:
    """How much of what the true labels would bring was reached, over the seeds that have all three; nothing where there is none."""
    seeds = [seed for seed in test.seeds if seed in test.perfect]
    if not seeds:
        return ""
    before, after = dict(zip(test.seeds, test.before, strict=True)), dict(zip(test.seeds, test.after, strict=True))
    reached = _mean_change(before, after, seeds)
    perfect = _mean_change(before, test.perfect, seeds)
    words = f"A perfect review, every wrong label set right, would have reached {value_words(test.measure, perfect.after)}"
    gains = f"{100 * perfect.change:+.1f} points, of which this one made {100 * reached.change:+.1f}"
    return f"{words} ({gains}; {counted(len(seeds), 'seed')})."


def _mean_change(before: Mapping[int, float], after: Mapping[int, float], seeds: Sequence[int]) -> PairedChange:
    return paired_change([before[seed] for seed in seeds], [after[seed] for seed in seeds])


def perfect_words(pairs: Mapping[str, Pairs]) -> str:
    """What the triangles are, where there are some."""
    return "Triangles: the same networks on the true labels. " if any(info.perfect and info.seeds for info in pairs.values()) else ""


def caveats(pairs: Mapping[str, Pairs], seeds: int, *, reference: bool) -> list[str]:
    """What these numbers cannot tell."""
    found = []
    if not reference and pairs["test_accuracy"].change is not None:
        found.append(NOT_REFERENCE)
    if seeds == 1:
        found.append(ONE_SEED)
    missing = [MISSING[measure] for measure, info in pairs.items() if info.change is None and measure in MISSING]
    return [*found, *missing]


MISSING = {
    "memorized": "Which labels are wrong is not known here, so neither is how many of them were memorized.",
    "susceptibility": "Susceptibility was switched off for these networks.",
    "mean_curvature": "Curvature was switched off for these networks.",
}


# -- the runs ----------------------------------------------------------------------------------------


def runs_table(members: Mapping[str, Sequence[Member]], status: Mapping[str, str], measure: str = "test_accuracy") -> str:
    """A row for each seed, a column for each family: the test accuracy of its run, or how it stands, with a link to it (markdown)."""
    families = [name for name in COLUMNS if name in members]
    lines = [f"| seed | {' | '.join(COLUMNS[name] for name in families)} |", "|---" * (1 + len(families)) + "|"]
    for row in zip(*(members[name] for name in families), strict=True):
        cells = [_cell(member, status.get(member.run_id, ""), measure) for member in row]
        lines.append(f"| {row[0].config.seed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(member: Member, status: str, measure: str) -> str:
    if not status:
        return "not trained"
    words = STATUS_WORDS[status].split(";")[0]
    if status == "finished" and math.isfinite(value := member.last.get(measure, math.nan)):
        words = theme.percent(value)
    return f"[{words}]({address(member.run_id)})"


def address(run_id: str) -> str:
    """Where a run is shown, seen from the Fix page."""
    token = state.page_value("token")
    return f"./?run={run_id}{f'&token={token}' if token else ''}"


def show_rounds(rounds: Sequence[tuple[Round, BeforeAfter]]) -> None:
    """What every round of review brought, one below the other; nothing for a single one."""
    if len(rounds) < 2:
        return
    st.markdown("**Rounds of review**")
    rows = round_rows(rounds)
    st.dataframe(rows, hide_index=True, width="stretch", alt="What each round of review corrected, and what it did to the test accuracy")
    st.caption("Each row is one corrected version of these labels, compared with the same networks on the uncorrected ones.")
