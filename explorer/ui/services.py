"""What all visitors share: the store, the one worker, and what was read from disk. Rarely edited: see get_worker."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from typing import Any

import streamlit as st

from explorer.config import DataConfig
from explorer.data.catalogue import fingerprint
from explorer.data.corrections import correct
from explorer.data.noise import add_noise
from explorer.records import Dataset, Labels, Run
from explorer.runs.duplicate_jobs import DuplicateJobs
from explorer.runs.reviews import Reviews
from explorer.runs.store import RunStore
from explorer.runs.worker import Worker


@st.cache_resource(show_spinner=False)
def get_store() -> RunStore:
    return RunStore()


@st.cache_resource(on_release=lambda worker: worker.close(), show_spinner=False)
def get_worker() -> Worker:
    """The one trainer of this server. Editing this function would start a second one and leave the first one running."""
    return Worker(get_store())


@st.cache_resource(on_release=lambda jobs: jobs.close(), show_spinner=False)
def get_duplicate_jobs() -> DuplicateJobs:
    """The one line of searches for near-duplicates; what is said of ``get_worker`` holds here too."""
    return DuplicateJobs(get_store().root)


@st.cache_resource(show_spinner=False)
def get_reviews() -> Reviews:
    """The log of review decisions, which all visitors read and write."""
    return Reviews(get_store().root)


class Readings:
    """Runs as last read; a new epoch is added to the old reading instead of reading all again."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[tuple[Any, ...], Run]] = {}

    def read(self, run_id: str) -> Run:
        """The run as far as it has come. Raises StoreError."""
        with self._lock:
            stamp = self._stamp(run_id)
            known = self._runs.pop(run_id, None)
            if known is None or known[0] != stamp:
                known = stamp, self._store.open(run_id, known[1] if known else None)
            self._runs[run_id] = known
            while len(self._runs) > 8:
                self._runs.pop(next(iter(self._runs)))
            return known[1]

    def _stamp(self, run_id: str) -> tuple[Any, ...]:
        folder = self._store.folder(run_id).path
        files = (folder / name for name in ("config.json", "epochs.csv", "examples.parquet"))
        return (*(f.stat().st_mtime_ns if f.exists() else 0 for f in files), *self._store.status(run_id))


@st.cache_resource(show_spinner=False)
def get_readings() -> Readings:
    return Readings(get_store())


@st.cache_resource(max_entries=4, show_spinner="Loading images…")
def _load(config: DataConfig, fingerprint: str) -> Dataset:
    from explorer.data.catalogue import load

    return load(config)


@st.cache_resource(max_entries=4, show_spinner="Making the labels…")
def _with_noise(config: DataConfig, fingerprint: str, _dataset: Dataset) -> tuple[Dataset, Labels]:
    dataset, labels, _ = correct(config, *add_noise(config, _dataset))
    return dataset, labels


def data_config(config: DataConfig) -> DataConfig:
    """What a config says about images and labels; what has no effect on them is left out."""
    config = config.canonical()
    return DataConfig(**{field.name: getattr(config, field.name) for field in fields(DataConfig)})


def load_source(config: DataConfig) -> Dataset:
    """The images a config names before noise and corrections, kept while the data stay as they are. Raises ConfigError or DataError."""
    untouched = replace(data_config(config), noise="none", corrections="").canonical()
    return _load(untouched, fingerprint(untouched))


def load_labels(config: DataConfig) -> tuple[Dataset, Labels]:
    """The images and labels a config trains on: noise may replace images, corrections leave some out. Raises ConfigError or DataError."""
    config = data_config(config)
    return _with_noise(config, fingerprint(config), load_source(config))


def load_dataset(config: DataConfig) -> Dataset:
    """The images a config trains on. Raises ConfigError or DataError."""
    return load_labels(config)[0] if config.noise == "open_set" or config.corrections else load_source(config)
