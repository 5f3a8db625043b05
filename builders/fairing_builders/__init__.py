"""The builders that come with fairing: one file a builder."""
