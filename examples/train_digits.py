"""Trains a model in a process of its own, three ways: blocking, in the background, and decorated.

python examples/train_digits.py
"""

import fairing


def train(depth: int) -> float:
    """Return the accuracy of a tree of this depth on unseen digits."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    images, labels = load_digits(return_X_y=True)
    score = float(cross_val_score(DecisionTreeClassifier(max_depth=depth, random_state=0), images, labels, cv=3).mean())
    print(f"depth {depth}: {score:.3f}")
    return score


@fairing.remote(timeout=600)
def slow(depth: int) -> float:
    """Stay here when called; run elsewhere when asked to."""
    return train(depth)


if __name__ == "__main__":
    # Blocks, shows what the run prints, and returns its value.
    best = fairing.train(train, kwargs={"depth": 8})

    # Starts two runs and returns at once; each value is waited for when it is asked for.
    jobs = [fairing.submit(train, kwargs={"depth": depth}) for depth in (2, 4)]
    scores = [job.result() for job in jobs]

    # The same options, bound to a function.
    again = slow.remote(8)
    if again == best > max(scores):
        print(f"the deepest tree is the best: {best:.3f}")
