"""Why a cluster does not admit a pod: quotas, limits, Pod Security, webhooks, and what a pod names that is not there.

Only the Events of whoever makes the pod say so. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

import re
from dataclasses import replace

from fairing.kube import quantity
from fairing.kube.around import KINDS
from fairing.kube.reason import Why, missing, short

_FORBIDDEN = re.compile(
    r'^(?:Error creating: )?(?:(?:pods|jobs\.batch) "[^"]*" is forbidden: )?(?P<said>.*)$', re.DOTALL
)
_EXCEEDED = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")
_UNSAID = re.compile(r"failed quota: (\S+): must specify (.*)", re.DOTALL)
_LIMIT = re.compile(r"(maximum|minimum) (\S+) usage per (\w+) is (\S+), but (\w+) is (\S+)")
_SECURITY = re.compile(r'violates PodSecurity "([^:"]+)[^"]*": (.*)', re.DOTALL)
_MISSING = (
    (re.compile(r'serviceaccount "([^"]+)" not found', re.DOTALL), "service account"),
    (re.compile(r"no PriorityClass with name (\S+) was found"), "priority class"),
    (re.compile(r'RuntimeClass "([^"]+)" not found'), "runtime class"),
)
_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request:? ?(.*)', re.DOTALL)
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)'.* denied request: (.*)", re.DOTALL)
_SILENT = re.compile(r'failed calling webhook "([^"]+)": ?(.*)', re.DOTALL)


def refused(said: str) -> Why:
    """Return why a pod is not admitted, out of what the API server said."""
    found = _FORBIDDEN.match(said)
    text = found["said"] if found else said
    if found := _EXCEEDED.search(text):
        return _exceeded(found[1], *(_amounts(found[place]) for place in (2, 3, 4)))
    if found := _UNSAID.search(text):
        named = {
            quantity.option(each) for each in re.findall(r"(?:requests|limits)\.[\w./-]+|\bcpu\b|\bmemory\b", found[2])
        }
        options = " and ".join(sorted(named - {""})) or "how much it needs"
        return Why(
            f"the quota {found[1]} of the namespace admits only pods that say how much they need",
            f"Say {options}.",
            True,
        )
    if found := _LIMIT.search(text):
        way, resource, _, bound, _, wanted = found.groups()
        most, asked = (quantity.words(resource, quantity.number(each)) for each in (bound, wanted))
        word = "at most" if way == "maximum" else "at least"
        return Why(f"it asks for {asked}, and the namespace allows a pod {word} {most}", "Ask for that much.", True)
    if found := _SECURITY.search(text):
        return Why(
            f"the namespace's Pod Security level {found[1]!r} does not admit its pods: {short(found[2])}",
            "Leave out what it names, or choose another namespace=.",
            hopeless=True,
        )
    for pattern, kind in _MISSING:
        if found := pattern.search(text):
            return _absent(kind, found[1])
    return _denied(text)


def _absent(kind: str, name: str) -> Why:
    if kind in KINDS:
        said = missing(kind, name)
        return replace(said, hopeless=name != "default")  # which is made a moment after its namespace
    return Why(f"there is no {kind} {name!r} in the cluster", f"Name another {kind}.", hopeless=True)


def _denied(text: str) -> Why:
    if found := _SILENT.search(text):
        return Why(f"the admission webhook {found[1]} does not answer ({short(found[2], 160)}); it is tried again")
    for pattern, kind in ((_WEBHOOK, "webhook"), (_POLICY, "policy")):
        if found := pattern.search(text):
            why = short(found[2]) or "it does not say why"
            return Why(f"the admission {kind} {found[1]} refuses its pods: {why}", hopeless=True)
    return Why(f"its pods cannot be made: {short(text)}")


def _exceeded(name: str, asked: dict[str, float], used: dict[str, float], most: dict[str, float]) -> Why:
    never = [resource for resource in asked if asked[resource] > most.get(resource, 0.0)]
    if never:
        each = never[0]
        option = quantity.option(each)
        return Why(
            f"it asks for {quantity.words(each, asked[each])}, and the namespace may have "
            f"{quantity.words(each, most.get(each, 0.0))} in all (quota {name})",
            f"Ask for less with {option}, or choose another namespace=." if option else "Choose another namespace=.",
            hopeless=True,
        )
    each = next(
        (one for one in asked if asked[one] + used.get(one, 0.0) > most.get(one, 0.0)), next(iter(asked), "pods")
    )
    wanted, most_ = quantity.words(each, asked[each]), quantity.words(each, most.get(each, 0.0))
    taken = quantity.again(each, used.get(each, 0.0))
    return Why(
        f"it asks for {wanted}, and the namespace may have {most_}, of which {taken} are taken (quota {name})",
        "It starts when others end.",
    )


def _amounts(listed: str) -> dict[str, float]:
    pairs = (each.partition("=") for each in listed.split(","))
    return {name: quantity.number(amount) for name, _, amount in pairs}
