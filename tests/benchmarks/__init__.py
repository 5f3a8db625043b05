"""How fast fairing is, beside a real peer in the same run: ``make bench``."""
