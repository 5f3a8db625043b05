"""The OCI specifications, and nothing else: layers, a store that is an OCI layout, registries."""
