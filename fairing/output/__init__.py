"""Where events are shown: one pure fold, and the sinks that draw it."""
