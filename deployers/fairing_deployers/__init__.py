"""The deployers that come with fairing: one file a kind of workload."""
