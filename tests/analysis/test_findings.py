"""What a person is told of a run, against counts made by hand on two real ones."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re

import numpy as np
import pytest

from explorer.analysis.findings import FINDERS, confident_learning, elr_suspects, findings, stopping_point, story
from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.analysis.scores import compute_scores
from explorer.records import NO_CLASS, Array, Finding, Run

needs_cleanlab = pytest.mark.skipif(importlib.util.find_spec("cleanlab") is None, reason="cleanlab, an optional package, is not installed")


def scores_of(run: Run) -> dict[str, Array]:
    return compute_scores(run.facts, run.labels.given_label, out_of_sample=run.out_of_sample, second_split=run.second_split)


def percents(finding: Finding) -> list[float]:
    return [float(number) for number in re.findall(r"(\d+\.\d) %", finding.text)]


def without_truth(run: Run) -> Run:
    return dataclasses.replace(run, labels=dataclasses.replace(run.labels, true_label=None, is_mislabeled=None))


def test_elr_names_its_suspects_and_what_the_list_is_worth(robust: Run) -> None:
    (found,) = elr_suspects(robust, scores_of(robust), None)
    given, true = robust.labels.given_label, robust.labels.true_label
    assert true is not None
    leaning = robust.facts.target_label[-1].astype(int)
    suspects = [n for n in range(len(given)) if leaning[n] != given[n]]
    wrong = [n for n in suspects if given[n] != true[n]]
    assert found.title == f"ELR suspects {len(suspects)} labels"
    assert sorted(found.examples) == suspects
    shares = [robust.facts.target_share[-1, n] for n in found.examples]
    assert shares == sorted(shares)  # the least supported label first
    precision, recall = len(wrong) / len(suspects), len(wrong) / sum(given != true)
    right = sum(leaning[n] == true[n] for n in suspects) / len(suspects)
    assert percents(found) == [round(100 * value, 1) for value in (precision, recall, right)]
    assert precision > 0.7 and right > 0.7  # the early network is mostly right: that is what ELR lives on


def test_without_truth_only_the_list_is_left(robust: Run) -> None:
    (found,) = elr_suspects(without_truth(robust), scores_of(robust), None)
    assert percents(found) == [] and len(found.examples) > 100


def test_an_image_that_shows_no_class_has_no_right_suggestion(robust: Run) -> None:
    assert robust.labels.true_label is not None
    given = robust.labels.given_label
    foreign = dataclasses.replace(robust.labels, true_label=np.full(len(given), NO_CLASS), is_mislabeled=np.ones(len(given), dtype=bool))
    (found,) = elr_suspects(dataclasses.replace(robust, labels=foreign), scores_of(robust), None)
    assert percents(found) == [100.0, round(100 * len(found.examples) / len(given), 1), 0.0]


def test_a_run_without_a_target_memory_suspects_nothing(memorizing: Run) -> None:
    assert list(elr_suspects(memorizing, scores_of(memorizing), None)) == []


def test_label_wave_says_where_it_would_stop_and_what_that_is_worth(memorizing: Run) -> None:
    (found,) = stopping_point(memorizing, {}, None)
    stop = label_wave(prediction_changes(memorizing.facts.predicted_label))
    assert stop is not None
    test = memorizing.epochs["test_accuracy"].tolist()
    assert found.title == f"Label Wave would stop at epoch {stop}"
    assert percents(found) == [round(100 * value, 1) for value in (test[stop], max(test), test[-1])]
    assert f"at epoch {test.index(max(test))}," in found.text
    assert found.text.startswith("Test accuracy there")
    about = memorizing.about | {"data": memorizing.about["data"] | {"test_is_reference": False}}
    (held_out,) = stopping_point(dataclasses.replace(memorizing, about=about), {}, None)
    assert held_out.text.startswith("Accuracy on held-out given labels there")


def test_label_wave_is_silent_while_it_sees_nothing(memorizing: Run) -> None:
    few = dataclasses.replace(memorizing.facts, predicted_label=memorizing.facts.predicted_label[:3])
    assert list(stopping_point(dataclasses.replace(memorizing, facts=few), {}, None)) == []
    unknown = memorizing.epochs | {"test_accuracy": np.full(len(memorizing.epochs["epoch"]), math.nan)}  # no test images
    assert list(stopping_point(dataclasses.replace(memorizing, epochs=unknown), {}, None)) == []


@needs_cleanlab
def test_confident_learning_says_what_it_flags(robust: Run) -> None:
    from cleanlab.filter import find_label_issues

    assert robust.out_of_sample is not None
    given, true = robust.labels.given_label, robust.labels.true_label
    flagged = find_label_issues(np.array(given), robust.out_of_sample.astype(float), n_jobs=1)
    (found,) = confident_learning(robust, scores_of(robust), None)
    assert found.title == f"Confident learning flags {flagged.sum()} labels"
    assert sorted(found.examples) == np.flatnonzero(flagged).tolist()
    hits = (flagged & (given != true)).sum()
    assert percents(found) == [round(100 * float(hits / flagged.sum()), 1), round(100 * float(hits / (given != true).sum()), 1)]


def test_confident_learning_says_why_it_has_no_opinion(robust: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cleanlab" else find_spec(name, *rest))
    scores = scores_of(robust)
    assert "confident_learning" not in scores
    (found,) = confident_learning(robust, scores, None)
    assert found.text == "Confident learning needs a package that is not installed: pip install cleanlab."
    assert list(confident_learning(dataclasses.replace(robust, out_of_sample=None), scores, None)) == []


@needs_cleanlab
def test_labels_that_confident_learning_cannot_judge_are_said_so(robust: Run) -> None:
    ones = np.ones_like(robust.labels.given_label)
    run = dataclasses.replace(robust, labels=dataclasses.replace(robust.labels, given_label=ones))
    (found,) = confident_learning(run, scores_of(run), None)
    assert "at least 2 classes" in found.text


@pytest.mark.parametrize("which", ["memorizing", "robust"])
def test_findings_come_by_severity_and_name_images_of_the_run(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    found = findings(run, scores_of(run), None)
    assert len({finding.kind for finding in found}) == len(found) <= len(FINDERS)
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities, reverse=True) and 0 <= min(severities) and max(severities) <= 1
    for finding in found:
        assert finding.text.endswith(".")
        assert len(set(finding.examples)) == len(finding.examples)
        assert set(finding.examples) <= set(range(len(run.labels.given_label)))


def test_the_story_of_foreign_images_has_no_true_class_to_see(memorizing: Run) -> None:
    rows = len(memorizing.epochs["epoch"])
    foreign = dataclasses.replace(memorizing, epochs=memorizing.epochs | {"recovered": np.full(rows, math.nan)})
    assert "sees through" in story(memorizing, 3)
    assert "show none of the classes" in story(foreign, 3)
    assert " - " not in story(foreign, 3)
