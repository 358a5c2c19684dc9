"""The life of a run: the only room that moves a run from state to state."""
