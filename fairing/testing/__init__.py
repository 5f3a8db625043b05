"""What a builder or a deployer promises, as suites that run over any installed one, ours and everybody's."""
