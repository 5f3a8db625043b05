"""A ``Bundle``, an ``Image`` and a target → a ``Recipe``: everything settled, nothing made."""
