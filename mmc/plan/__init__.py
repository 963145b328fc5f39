"""The plan: every decision as a value, its canonical JSON, drift, and the tree that people see."""
