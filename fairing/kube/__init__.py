"""The toolkit of whatever runs on Kubernetes: connection, pods, logs, watches. Objects are plain dicts."""
