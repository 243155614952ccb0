"""The Compare page: deleting runs, bringing them back, and what takes room on disk."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explorer.records import StoreError
from explorer.runs.cleaning import needless_checkpoints, remove_checkpoints
from explorer.runs.summaries import RunSummary
from explorer.runs.trash import DeletedRun
from explorer.ui.chosen_runs import choose, chosen_ids
from explorer.ui.run_list import size_words
from explorer.ui.services import get_store
from explorer.ui.words import describe, plain

NAMED = 3  # deleted runs that are named in the bar
FOREVER = "This cannot be undone."


# -- deleting, and the way back ----------------------------------------------------------------------


def delete(run_ids: list[str]) -> None:
    """Move runs aside, and offer to bring them back; what the store refuses is said."""
    try:
        get_store().delete(run_ids)
    except StoreError as error:
        _say(error)
        return
    choose([run_id for run_id in chosen_ids() if run_id not in run_ids])
    st.session_state["runs_deleted"] = run_ids


def show_undo() -> None:
    """A bar that says what was deleted last, with the way back."""
    last = st.session_state.get("runs_deleted")
    if not last:
        return
    found = {run.run_id: run for run in get_store().deleted() if run.run_id in last}
    if not found:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="undo_bar"):
        st.markdown(_deleted_words(list(found.values())), width="stretch")
        st.button("Undo", on_click=_undo, args=(list(found),), type="primary", icon=":material/undo:")
        st.button("Close", on_click=_forget, type="tertiary", help="They stay among the deleted runs until their space is freed.")


def _deleted_words(found: Sequence[DeletedRun]) -> str:
    named = [plain(run.name or f"{describe(run.config)} · {run.run_id}" if run.config else run.run_id) for run in found[:NAMED]]
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return f"Deleted **{_runs(len(found))}**: {'; '.join(named)}{more}."


def _undo(run_ids: list[str]) -> None:
    """Back they come, chosen as they were."""
    if _restore(run_ids):
        choose(list(dict.fromkeys([*chosen_ids(), *run_ids])))


def _restore(run_ids: list[str]) -> bool:
    try:
        get_store().restore(run_ids)
    except StoreError as error:
        _say(error)
        return False
    _forget()
    return True


def _forget() -> None:
    st.session_state.pop("runs_deleted", None)


def _say(error: StoreError) -> None:
    st.session_state.setdefault("runs_refused", []).append(str(error))


# -- room on disk ----------------------------------------------------------------------------------


def show_disk(summaries: Sequence[RunSummary], used: int) -> None:
    """How much the runs take, and the way to free some of it. used: bytes of all of them."""
    deleted = get_store().deleted()
    if not summaries and not deleted:
        return
    words = [f"{_runs(len(summaries))} on disk: {size_words(used)}"] if summaries else []
    words += [f"{_runs(len(deleted))} deleted: {size_words(sum(run.bytes for run in deleted))}"] if deleted else []
    with st.container(horizontal=True, vertical_alignment="center", key="disk_bar"):
        st.caption(" · ".join(words), width="content")
        if st.button("Free disk space…", type="tertiary"):
            _free_space([s.run_id for s in summaries if s.status == "finished"])


@st.dialog("Free disk space")
def _free_space(finished: list[str]) -> None:
    """Asks before anything is gone for good, and says how much comes back."""
    store = get_store()
    deleted, checkpoints = store.deleted(), needless_checkpoints(store, finished)
    st.markdown("**Deleted runs**")
    if deleted:
        size = size_words(sum(run.bytes for run in deleted))
        st.markdown(f"{_runs(len(deleted))}. Removing {'it' if len(deleted) == 1 else 'them'} for good brings back **{size}**. {FOREVER}")
        with st.container(horizontal=True):
            if st.button("Bring all back", icon=":material/undo:"):
                _restore([run.run_id for run in deleted])
                st.rerun()
            if st.button(f"Remove for good, free {size}", icon=":material/delete_forever:"):
                store.purge([run.run_id for run in deleted])
                st.rerun()
    else:
        st.caption("There are none.")
    st.markdown("**Checkpoints of finished runs**")
    if checkpoints.bytes:
        size = size_words(checkpoints.bytes)
        st.markdown(
            f"{_runs(len(checkpoints.run_ids))} keep the state of the network after the last epoch. It is only needed to go on with a run "
            f"that is not finished; figures, curves and images stay. Removing it brings back **{size}**. {FOREVER}"
        )
        if st.button(f"Remove checkpoints, free {size}", icon=":material/delete_forever:"):
            try:
                remove_checkpoints(store, checkpoints.run_ids)
            except StoreError as error:
                _say(error)
            st.rerun()
    else:
        st.caption("There are none.")


def _runs(number: int) -> str:
    return f"{number:,} {'run' if number == 1 else 'runs'}"
