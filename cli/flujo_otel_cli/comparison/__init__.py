"""How `lens compare` shows two runs: `report` is all of its lines, `document` its JSON.

`sides` reads both runs and pairs their nodes. The report is `run_table`, the facts of both;
`final_changes`, in what their contexts differ; `pair_tree`, the nodes, with `pair_details` and
`text_difference` beneath them; and what changed the time most. `deltas` has the words for a change.
"""
