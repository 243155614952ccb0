"""Train: what is the network doing right now?"""

from explorer.ui import controls, state, watch, welcome

choice = controls.sidebar()
state.show_url_errors()
if choice.start and choice.config is not None:
    watch.start_run(choice.config)
run_id = state.page_value("run")
if run_id:
    watch.show(run_id)
else:
    welcome.show_nothing_yet(choice.config, choice.readable, watch.start_run)
state.write_query()
