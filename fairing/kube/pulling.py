"""Why an image cannot be pulled, out of what the node's container runtime said.

The texts are those of containerd, CRI-O and Docker, which hand on those of the registry.
"""

from __future__ import annotations

import re

from fairing.kube.reason import Why, short

_PLATFORM = re.compile(r"no match(ing manifest)? for |no matching manifest|exec format", re.IGNORECASE)
_DENIED = re.compile(
    r"unauthori[sz]ed|authentication required|authorization failed|access denied|denied:|basic auth credentials"
    r"|\b40[13]\b|insufficient_scope|forbidden",
    re.IGNORECASE,
)
_NAME = re.compile(r"invalid reference format|couldn't parse image name|InvalidImageName", re.IGNORECASE)
_ABSENT = re.compile(r"not found|manifest unknown|name unknown|does not exist|\b404\b", re.IGNORECASE)
_CERTIFICATE = re.compile(r"x509|certificate|tls: ", re.IGNORECASE)
_PLAIN = re.compile(r"server gave HTTP response to HTTPS client", re.IGNORECASE)
_HOST = re.compile(r"no such host|lookup \S+", re.IGNORECASE)
_WAY = re.compile(
    r"dial tcp|timeout|timed out|deadline exceeded|connection re|no route|unreachable|EOF|\b50[0-9]\b", re.IGNORECASE
)
_BUSY = re.compile(r"toomanyrequests|too many requests|\b429\b|rate limit", re.IGNORECASE)
_FULL = re.compile(r"no space left", re.IGNORECASE)


def failed(image: str, said: str) -> Why:
    """Return why an image cannot be pulled.

    Args:
        image: Its name.
        said: What the kubelet says of it.
    """
    cause = _cause(said)
    registry = (
        image.partition("/")[0] if "/" in image and re.search(r"[.:]|^localhost$", image.partition("/")[0]) else ""
    )
    at = f"the registry {registry}" if registry else "the registry"
    begun = f"its image {image} cannot be pulled"
    if _PLATFORM.search(cause):
        return Why(
            f"{begun}: it is not made for the node's platform ({short(cause, 160)})",
            "Name the node's with platform=, or choose an image= that has it.",
            hopeless=True,
        )
    if _NAME.search(cause):
        exactly = short(cause.rpartition("invalid reference format: ")[2], 160)
        return Why(f"its image's name {image} is wrong: {exactly}", "Write another image=.", hopeless=True)
    if _BUSY.search(cause):
        return Why(f"{begun} now: {at} has had too many requests, and is asked again")
    if _DENIED.search(cause):
        return Why(
            f"{begun}: {at} does not let the cluster have it, or has none of that name ({short(cause, 160)})",
            "Check the name, or name a Secret that has the registry's credentials in pull_secrets=.",
            hopeless=True,
        )
    if _PLAIN.search(cause):
        return Why(
            f"{begun}: the node asks by HTTPS, and {at} speaks plain HTTP", "The node's settings say how it asks."
        )
    if _CERTIFICATE.search(cause):
        return Why(f"{begun}: the node does not trust the certificate of {at} ({short(cause, 160)})")
    if _WAY.search(cause) or _HOST.search(cause):
        return Why(
            f"{begun}: the node does not reach {at} ({_end(cause)}); it is tried again",
            "Check that the nodes can reach the name in repository= or image=.",
        )
    if _ABSENT.search(cause):
        return Why(f"{begun}: {at} does not have it", "Check the name of image=.", hopeless=True, absent=True)
    if _FULL.search(cause):
        return Why(f"{begun}: the node's disk is full; it is tried again")
    return Why(f"{begun}: {short(cause)}; it is tried again")


def _cause(said: str) -> str:
    """Return what is left without the layers of who hands it on."""
    cause = re.sub(r"^Back-off pulling image \"[^\"]*\":? ?", "", said.strip())
    cause = re.sub(r"^(ErrImagePull|Failed to pull image \"[^\"]*\"): ?", "", cause)
    cause = re.sub(r"^rpc error: code = (\w+) desc = ", r"\1: ", cause)
    cause = re.sub(r"failed to (pull and unpack image \"[^\"]*\"|resolve (image|reference \"[^\"]*\")): ?", "", cause)
    return re.sub(r"^(NotFound|Unknown): ", "", cause)


def _end(cause: str) -> str:
    """Return the last and most exact part of a network's error."""
    found = re.search(r"(dial tcp.*|lookup .*|[^:]*timeout.*|[^:]*deadline.*)$", cause)
    return short(found[1] if found else cause, 160)
