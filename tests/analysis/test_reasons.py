"""Sentences about one image: exactly these words for histories made by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from explorer.analysis.metrics import COLUMNS
from explorer.analysis.neighbors import near_duplicates
from explorer.analysis.reasons import FINDERS, Partners, Reason, partners_of, reasons, why
from explorer.analysis.reasons_case import at_least, percent
from explorer.analysis.scores import SCORES, compute_scores
from explorer.config import RunConfig
from explorer.records import Array, Facts, Run
from tests.support import toy_labels

CLASSES = ("cat", "dog", "3")
CAT, DOG, THREE = range(3)


def run_of(predicted: Array, given: Array, *, epochs: int = 0, names: tuple[str, ...] = CLASSES, **more: Any) -> Run:
    """A run with these predictions ``[E, N]``, losses of 0.1 where they are the given label and of 2 elsewhere."""
    predicted, given = np.asarray(predicted, dtype=np.uint16), np.asarray(given)
    E, N = predicted.shape
    loss = np.where(predicted == given, 0.1, 2.0).astype(np.float16)
    facts = dataclasses.replace(Facts.empty(N), epochs=np.arange(1, E + 1), loss=loss, margin=-loss, el2n=loss, predicted_label=predicted)
    columns = {name: np.full(E + 1, np.nan) for name in COLUMNS}
    columns |= {"epoch": np.arange(E + 1.0), "learning_rate": np.full(E + 1, 0.1), "test_accuracy": np.linspace(0, 1, E + 1)}
    run = Run(
        run_id="0", config=RunConfig(epochs=epochs or max(1, E)), status="finished", cause="", class_names=names,
        source_index=np.arange(N) + 100, labels=toy_labels(given, None), planted=None, epochs=columns, facts=facts, embedding=None,
        embedding_peak=None, out_of_sample=None, second_split=None, about={"data": {"test_is_reference": True}},
    )  # fmt: skip
    return dataclasses.replace(run, **more)


def one(history: list[int], given: int = CAT, others: int = 9, **more: Any) -> Run:
    """Image 0 with this history, and others that are given the same and always fitted."""
    predicted = np.full((len(history), others + 1), given)
    predicted[:, 0] = history
    return run_of(predicted, np.full(others + 1, given), **more)


def scores_of(run: Run) -> dict[str, Array]:
    return compute_scores(run.facts, run.labels.given_label, out_of_sample=run.out_of_sample, second_split=run.second_split)


def told(run: Run, n: int = 0, **more: Any) -> dict[str, str]:
    """Sentence by kind."""
    return {reason.kind: reason.sentence for reason in reasons(run, n, scores_of(run), **more)}


def with_columns(run: Run, **columns: Any) -> Run:
    return dataclasses.replace(run, epochs={**run.epochs, **{name: np.array(values, dtype=float) for name, values in columns.items()}})


def with_facts(run: Run, **arrays: Array) -> Run:
    return dataclasses.replace(run, facts=dataclasses.replace(run.facts, **arrays))


# -- made by hand: exactly these words ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        ([DOG] * 4, "The network called it dog in all 4 epochs."),
        ([DOG, DOG, DOG, CAT], "The network called it dog in 3 of 4 epochs."),
        ([DOG, CAT, CAT, CAT], "The network called it dog only at first, in 1 of 4 epochs."),
        ([CAT, DOG, CAT, CAT], "The network called it dog in 1 of 4 epochs."),
        ([DOG, DOG, THREE, DOG], "The network called it dog in 3 of 4 epochs, never its given cat."),
        ([DOG, DOG, DOG, THREE, CAT], "The network mostly called it dog, in 3 of 5 epochs."),
        ([DOG, THREE, CAT, CAT, DOG], "The network wavered: it called it dog in 2 of 5 epochs, 3 in 1."),
        ([DOG, THREE, CAT], "The network wavered: it called it 3 in 1 of 3 epochs, dog in 1."),  # as often: the one named last
        ([THREE], "The network calls it 3."),
    ],
)
def test_what_it_was_taken_for(history: list[int], sentence: str) -> None:
    assert told(one(history))["mistaken"] == sentence


def test_a_run_in_progress_says_so() -> None:
    assert told(one([DOG] * 4, epochs=9))["mistaken"] == "The network called it dog in all 4 epochs so far."
    assert told(one([DOG], epochs=9))["mistaken"] == "After 1 epoch the network calls it dog."


@pytest.mark.parametrize(
    ("labels", "sentence", "points_to"),
    [
        ([DOG] * 9, "All of its 9 nearest images are given dog.", DOG),
        ([CAT] * 9, "All of its 9 nearest images are given cat too.", CAT),
        ([DOG] * 5 + [THREE] * 4, "5 of its 9 nearest images are given dog, none its own cat.", DOG),
        ([DOG] * 5 + [CAT] * 4, "5 of its 9 nearest images are given dog, 4 its own cat.", DOG),
        ([DOG] * 4 + [CAT] * 4 + [THREE], "4 of its 9 nearest images are given dog, 4 its own cat.", -1),
        ([THREE] + [CAT] * 8, "8 of its 9 nearest images are given cat too, 1 is given 3.", CAT),
        ([DOG], "Its nearest image is given dog.", DOG),
        ([THREE, DOG], "1 of its 2 nearest images is given 3, none its own cat.", THREE),  # as many: that of the nearest
    ],
)
def test_what_its_neighbours_are_given(labels: list[int], sentence: str, points_to: int) -> None:
    given = np.array([CAT, *labels])
    run = run_of(np.tile(given, (2, 1)), given)
    near = np.r_[np.arange(1, len(given)), -1]
    [found] = [reason for reason in reasons(run, 0, scores_of(run), near) if reason.kind == "neighbors"]
    assert (found.sentence, found.points_to) == (sentence, points_to)


STEP = [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
COSINE = [0.1, 0.1, 0.09, 0.07, 0.05, 0.03, 0.004]
EARLY_PEAK = [0, 0.2, 0.9, 0.8, 0.8, 0.7, 0.7]
LATE_PEAK = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("history", "rate", "accuracy", "sentence"),
    [
        ([DOG] * 4 + [CAT] * 2, STEP, LATE_PEAK, "only from epoch 5 on, after the learning rate fell to 10 % (epoch 4)"),
        ([DOG] * 3 + [CAT] * 3, STEP, LATE_PEAK, "only from epoch 4 on, after the learning rate fell to 10 %"),
        ([DOG] * 4 + [CAT] * 2, COSINE, LATE_PEAK, "only from epoch 5 on, after the learning rate fell to 30 %"),
        ([DOG] * 5 + [CAT], COSINE, LATE_PEAK, "only in epoch 6, the last, after the learning rate fell to 4 %"),
        ([DOG] * 2 + [CAT] * 4, STEP, LATE_PEAK, "only from epoch 3 on, later than any other image"),
        ([DOG] * 2 + [CAT] * 4, STEP, EARLY_PEAK, "only from epoch 3 on, after test accuracy peaked (epoch 2)"),
        ([CAT, DOG, DOG, DOG, CAT, CAT], COSINE, EARLY_PEAK, "for good only from epoch 5 on, after the learning rate fell to 30 %"),
    ],
)
def test_when_its_label_was_fitted(history: list[int], rate: list[float], accuracy: list[float], sentence: str) -> None:
    run = with_columns(one(history), learning_rate=rate, test_accuracy=accuracy)
    found = told(run)
    assert found["late"] == f"Its given label was fitted {sentence}."
    fell = "learning rate" in sentence and accuracy is EARLY_PEAK
    assert found.get("past_peak") == ("Test accuracy peaked (epoch 2) before its label was fitted for good." if fell else None)


def test_accuracy_on_labels_that_may_be_wrong_is_called_held_out() -> None:
    run = with_columns(one([DOG] * 2 + [CAT] * 4), learning_rate=[0.1] * 7, test_accuracy=EARLY_PEAK)
    run = dataclasses.replace(run, about={"data": {"test_is_reference": False}})
    assert told(run)["late"].endswith("after held-out accuracy peaked (epoch 2).")


def test_a_label_lost_in_the_end_is_not_called_late() -> None:
    found = told(one([DOG, CAT, CAT, DOG]))
    assert found["unfitted"] == "Its given label was fitted in 2 of 4 epochs, but not in epoch 4."
    assert "late" not in found
    assert not {"late", "unfitted"} & told(one([DOG] * 4)).keys()  # never fitted: said already
    assert not {"late", "unfitted"} & told(one([CAT] * 4)).keys()


def test_what_was_learned_and_lost() -> None:
    assert told(one([CAT, DOG, CAT, CAT]))["forgotten"] == "It was learned once and lost again in epoch 2."
    assert told(one([CAT, DOG, CAT, DOG, CAT]))["forgotten"] == "It was learned and lost again 2 times (more often than any other image)."
    assert "forgotten" not in told(one([DOG, DOG, CAT, CAT]))


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        ([DOG, DOG, CAT, DOG], "stayed high until epoch 2 (2.00 nats in epoch 2"),
        ([CAT, DOG, DOG, CAT], "stayed high from epoch 2 to 3 (2.00 nats in epoch 3"),
        ([DOG, CAT, DOG, DOG], "stayed high since epoch 3 (2.00 nats in epoch 4"),
        ([DOG, CAT, DOG, CAT], "was high in epoch 3 (2.00 nats in epoch 3"),
        ([DOG, DOG, DOG, DOG], "stayed high throughout (2.00 nats in epoch 4"),
        ([CAT, CAT, CAT, CAT], None),
        ([DOG], "is high (2.00 nats"),
    ],
)
def test_how_long_its_loss_stayed_high(history: list[int], sentence: str | None) -> None:
    wanted = None if sentence is None else f"Its loss {sentence}, median of its given class 0.10)."
    assert told(one(history)).get("loss") == wanted


def test_a_loss_every_image_of_its_class_has_is_not_high() -> None:
    assert "loss" not in told(run_of(np.full((3, 5), DOG), np.full(5, CAT)))


def test_where_the_decision_bends() -> None:
    probed = np.zeros((3, 10), dtype=np.float32)
    probed[:, 0], probed[:, 1] = (1, 9, 2), (5, 5, 5)
    run = with_facts(one([DOG] * 4), curvature=probed, sensitivity=probed, curvature_epochs=np.array([1, 3, 4]))
    assert told(run, 1)["curvature"] == "The decision bends sharply around it (curvature the highest of all 10 images, most in epoch 1)."
    assert told(run, 0)["curvature"] == "The decision bends sharply around it (curvature above 88 % of images, most in epoch 3)."
    assert "curvature" not in told(run, 2)
    once = with_facts(run, curvature=probed[:1], sensitivity=probed[:1], curvature_epochs=np.array([4]))
    assert told(once, 1)["curvature"] == "The decision bends sharply around it (curvature the highest of all 10 images)."


def test_what_elr_remembers() -> None:
    label, share = np.full((2, 10), CAT, dtype=np.uint16), np.full((2, 10), 0.75, dtype=np.float16)
    label[-1, 0], share[-1, 0] = DOG, 0.125
    run = with_facts(one([DOG, CAT]), target_label=label, target_share=share)
    assert told(run, 0)["elr"] == "ELR's target memory suggests dog and leaves 12 % to its given cat."
    assert told(run, 1)["elr"] == "ELR's target memory holds 75 % for its given cat."
    assert "elr" not in told(with_facts(run, target_share=np.zeros_like(share)))  # not filled yet


def test_what_a_network_says_that_never_saw_it() -> None:
    probability = np.array([[0.0625, 0.875, 0.0625], *[[0.75, 0.25, 0.0]] * 9], dtype=np.float32)
    run = dataclasses.replace(one([DOG, CAT]), out_of_sample=probability)
    known = scores_of(run) | {"confident_learning": np.r_[0.9, np.zeros(9)]}
    found = {reason.kind: reason for reason in reasons(run, 0, known)}
    assert found["out_of_sample"].sentence == "A network that never saw it says dog (88 %), not cat (6 %)."
    assert found["confident_learning"].sentence == "Confident learning flags its label."
    agrees = {reason.kind: reason for reason in reasons(run, 1, known)}
    assert agrees["out_of_sample"].sentence == "A network that never saw it says cat too (75 %)."
    assert agrees["out_of_sample"].points_to == CAT and "confident_learning" not in agrees


def test_one_look_from_outside_is_not_told_twice() -> None:
    outside = np.tile(np.array([0.25, 0.75, 0.0], dtype=np.float32), (10, 1))
    found = told(dataclasses.replace(one([DOG]), out_of_sample=outside))
    assert found["out_of_sample"] == "A network that never saw it says dog (75 %), not cat (25 %)." and "mistaken" not in found


@pytest.mark.parametrize(
    ("right", "sentence"),
    [
        ([1, 1, 0, 0], "Trained on other images only, a network forgot its label for good in epoch 2 of 3."),
        ([1, 0, 1, 0], "Trained on other images only, a network forgot its label for good in epoch 3 of 3."),
        ([0, 1, 1, 1], "Its label survived 3 epochs of training on other images only."),
        ([0, 0, 0, 0], "A second network, trained on half of the images with it, never fitted its label."),
    ],
)
def test_how_long_its_label_outlived_other_images(right: list[int], sentence: str) -> None:
    split = np.ones((4, 10), dtype=bool)
    split[:, 0] = right
    assert told(dataclasses.replace(one([DOG, CAT]), second_split=split))["second_split"] == sentence


def test_a_copy_under_another_label() -> None:
    run = run_of(np.full((2, 4), CAT), np.array([CAT, DOG, THREE, CAT]))
    near = Partners(np.array([3, 1, 2]), np.array([0.999, 0.9954, 0.98]), np.array([False, True, True]), np.zeros(3, dtype=bool))
    assert told(run, partners=near)["conflict"] == "Image 101 looks nearly the same (similarity 0.995) but is given dog."
    exact = near._replace(exact=np.array([False, False, True]))  # whatever the embedding says
    assert (
        told(run, partners=exact)["conflict"]
        == "Image 102 is the same picture to the byte, given 3: at most one of the two labels can be right."
    )
    assert "conflict" not in told(run, partners=near._replace(conflicting=np.zeros(3, dtype=bool)))


def test_partners_are_those_of_the_pairs() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(6, 5)).astype(np.float32)
    embedding, given = np.concatenate([base, base + 1e-3, base[:2]]), np.arange(14) % 3
    pairs = near_duplicates(embedding, given, cut=0.99)
    for n in range(14):
        found = partners_of(pairs, n)
        rows = [(a, b) for a, b in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True) if n in (a, b)]
        assert sorted(found.position.tolist()) == sorted(a + b - n for a, b in rows)
        assert found.conflicting.tolist() == [given[j] != given[n] for j in found.position]
    assert len(partners_of(pairs, 0).position) == 2


def test_how_many_scores_place_it_at_the_top() -> None:
    run = one([DOG] * 4, others=39)
    number = len(scores_of(run))
    assert told(run)["ranked"] == f"{number - 1} of {number} scores place it among the most suspicious 5 %."  # variability is 0
    assert "ranked" not in told(run, 1)


def test_the_top_begins_at_exactly_five_percent() -> None:
    run, scores = one([CAT] * 3, others=20), {"cumulative_loss": np.arange(21.0)}
    told_of = [n for n in range(21) if any(reason.kind == "ranked" for reason in reasons(run, n, scores))]
    assert told_of == [19, 20]  # 19 of 20 others are below the first of them


# -- the paragraph ------------------------------------------------------------------------------------


def paragraph(run: Run, n: int = 0, **more: Any) -> str:
    return why(run, n, reasons(run, n, scores_of(run), **more))


def test_what_agrees_is_joined_and_says_what_to_check() -> None:
    given = np.array([CAT] + [DOG] * 10 + [CAT] * 10)
    predicted = np.tile(given, (30, 1))
    predicted[:26, 0] = DOG
    run = with_columns(run_of(predicted, given), learning_rate=[0.1] * 20 + [0.01] * 11)
    assert paragraph(run, neighbors=np.arange(2, 12)) == (
        "The network called it dog in 26 of 30 epochs; 9 of its 10 nearest images are given dog, 1 its own cat; its given label was "
        "fitted only from epoch 27 on, after the learning rate fell to 10 % (epoch 20). Check its label against dog."
    )


def test_what_speaks_for_a_label_comes_after_what_speaks_against_it() -> None:
    given = np.array([CAT] * 11)
    predicted = np.tile(given, (4, 1))
    predicted[:3, 0] = DOG
    assert paragraph(run_of(predicted, given), neighbors=np.arange(1, 11)).endswith(
        " But all of its 10 nearest images are given cat too. The facts disagree: look closely."
    )
    predicted[:, 0] = [CAT, CAT, DOG, CAT]
    assert paragraph(run_of(predicted, given), neighbors=np.arange(1, 11)) == (
        "Its given label was fitted for good only in epoch 4, the last, later than any other image; "
        "7 of 12 scores place it among the most suspicious 5 %. "
        "But all of its 10 nearest images are given cat too. Rare images under the right label look like this too."
    )


def test_a_typical_image_says_so() -> None:
    calm = one([CAT] * 4)
    assert paragraph(calm) == "Nothing speaks against its label: fitted from epoch 1 on."
    assert paragraph(calm, neighbors=np.arange(1, 5)) == (
        "Nothing speaks against its label: fitted from epoch 1 on, all 4 nearest images given cat too."
    )
    late = run_of(np.where(np.arange(20)[:, None] == 0, DOG, np.full((20, 10), CAT)), np.full(10, CAT))
    assert (
        paragraph(late, neighbors=np.array([1]))
        == "Little speaks against its label: fitted from epoch 2 on, its nearest image given cat too."
    )
    assert paragraph(one([CAT])) == "Nothing speaks against its label: predicted as given."


def test_a_word_in_capitals_keeps_them_within_a_sentence() -> None:
    label, share = np.full((4, 10), DOG, dtype=np.uint16), np.full((4, 10), 0.25, dtype=np.float16)
    text = paragraph(with_facts(one([DOG] * 4), target_label=label, target_share=share))
    assert "; ELR's target memory suggests dog" in text and text.endswith("Check its label against dog.")


def test_before_the_first_epoch_there_is_only_what_lies_beside_it() -> None:
    none = run_of(np.zeros((0, 3)), np.array([CAT, DOG, DOG]))
    assert reasons(none, 0, {}) == () and why(none, 0, ()) == ""
    assert [reason.kind for reason in reasons(none, 0, {}, np.array([1, 2]))] == ["neighbors"]


def test_an_image_the_run_does_not_have_is_refused() -> None:
    run = one([CAT])
    for n in (-1, 10):
        with pytest.raises(IndexError, match="from 0 to 9"):
            reasons(run, n, scores_of(run))


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0 %"), (0.004, "under 1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.996, "over 99 %"), (1, "100 %")]
)
def test_shares_in_words(share: float, words: str) -> None:
    assert percent(share) == words


def test_a_share_is_never_overstated() -> None:
    for part in range(201):
        assert at_least(part / 200) == ("any other image" if part == 200 else f"{part // 2} % of images")


# -- the smallest runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 2])
def test_two_classes_and_few_epochs_are_enough(epochs: int) -> None:
    given = np.array([0, 1] * 6)
    predicted = np.tile(given, (epochs, 1))
    predicted[0, 0] = 1
    run = run_of(predicted, given, names=("no", "yes"))
    for n in range(12):
        found = reasons(run, n, scores_of(run), np.arange(12)[np.arange(12) != n])
        assert all(isinstance(reason, Reason) for reason in found)
        assert why(run, n, found)
    assert "yes" in "".join(told(run).values())


def test_every_finder_says_what_it_looks_for() -> None:
    assert len(FINDERS) == len(set(FINDERS)) == 11
    assert all((finder.__doc__ or "").strip().endswith((".", "always.")) for finder in FINDERS)
    assert "confident_learning" in SCORES and "learning_epoch" in SCORES  # read by name
