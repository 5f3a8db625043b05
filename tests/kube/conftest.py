import pytest

from tests.kube import places


@pytest.fixture
def there(cluster, namespace, monkeypatch):
    """Let every call of this test go to the cluster, with an image that is there and the code beside it."""
    for name, value in places.variables(cluster, namespace, builder="inline").items():
        monkeypatch.setenv(name, value)
    return namespace
