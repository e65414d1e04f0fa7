"""The plan: what a run would do, take and refuse, before anything starts."""
