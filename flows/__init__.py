"""The engine: what a flow is and how a run moves; it knows no concrete stage, no OAuth and no page."""
