"""Train: what is the network doing right now?"""

from explorer.ui import controls, state, watch

choice = controls.sidebar()
state.show_url_errors()
if choice.start and choice.config is not None:
    watch.start_run(choice.config)
run_id = state.page_value("run")
if run_id:
    watch.show(run_id)
else:
    watch.show_nothing_yet(choice.config)
state.write_query()
