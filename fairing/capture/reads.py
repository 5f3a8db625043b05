"""Finds the names that a cell reads before it has set them itself: those that have to come from the notebook.

The order of execution is followed: a name that is surely set earlier in the cell is the cell's own. Where that is not
sure (a loop may have no round, a branch may not be taken) the name is asked for, since the cell may see the notebook's.
"""

from __future__ import annotations

import ast
import dis
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})


@dataclass(frozen=True, slots=True)
class Names:
    """What a cell reads from outside, in the order of first use, and every name it may set."""

    read: tuple[str, ...]
    set: frozenset[str]
    star: bool = False
    """Whether ``from module import *`` may set others."""


def names(tree: ast.Module) -> Names:
    r"""Return the names that a module's statements read from outside and set.

    Example:
        >>> names(ast.parse("b = a + 1\nprint(b)")).read
        ('a', 'print')
    """
    visitor = _Reads()
    visitor.block(tree.body)
    return Names(tuple(visitor.read), frozenset(visitor.ever), visitor.star)


class _Reads(ast.NodeVisitor):
    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self.ever: set[str] = set()
        self.bound: set[str] = set()
        self.star = False

    def block(self, body: Iterable[ast.AST | None]) -> None:
        for node in body:
            if node is not None:
                self.visit(node)

    def bind(self, name: str) -> None:
        self.bound.add(name)
        self.ever.add(name)

    def want(self, name: str) -> None:
        if name not in self.bound and not (name.startswith("__") and name.endswith("__")):  # those are the module's own
            self.read.setdefault(name)

    def branches(self, *bodies: Iterable[ast.AST]) -> None:
        """Visit bodies of which one is executed: what all of them set is set after them."""
        before, after = set(self.bound), []
        for body in bodies:
            self.bound = set(before)
            self.block(body)
            after.append(self.bound)
        self.bound = set.intersection(*after)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id)
            return
        self.want(node.id)
        if isinstance(node.ctx, ast.Del):
            self.bound.discard(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.block([node.value, *node.targets])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.block([node.annotation, node.value])
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.want(node.target.id)
        self.block([node.value, node.target])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.block([node.value, node.target])

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.branches(node.body, node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.branches([node.target, *node.body], [])
        self.branches(node.orelse, [])

    visit_AsyncFor = visit_For  # noqa: N815 - as the visitor looks for it

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.branches(node.body, [])
        self.branches(node.orelse, [])

    def visit_Try(self, node: ast.Try) -> None:
        self.branches([*node.body, *node.orelse], *([handler] for handler in node.handlers))
        self.block(node.finalbody)

    visit_TryStar = visit_Try  # noqa: N815 - as the visitor looks for it

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.block([node.type])
        if node.name:
            self.bind(node.name)
        self.block(node.body)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self.branches([], *([case.pattern, case.guard or ast.Pass(), *case.body] for case in node.cases))

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.block([node.pattern])
        if node.name:
            self.bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star = True
            else:
                self.bind(alias.asname or alias.name.partition(".")[0])

    visit_ImportFrom = visit_Import  # noqa: N815 - as the visitor looks for it

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bind(node.name)  # its body may name it
        self._compiled(ast.Module([node], []), "exec")

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # noqa: N815 - as the visitor looks for it

    def visit_Lambda(self, node: ast.expr) -> None:
        self._compiled(ast.Expression(node), "eval")

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda  # noqa: N815 - as the visitor looks for it

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        self.block(_inside(node))

    def _compiled(self, tree: ast.Module | ast.Expression, mode: str) -> None:
        """Ask the compiler, which knows the scopes, for the names that inner scopes read and set."""
        tree = ast.fix_missing_locations(tree)
        for verb, name in _instructions(compile(tree, "cell", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
            if verb == "load":
                self.want(name)
            else:
                self.ever.add(name)


def _instructions(code: CodeType) -> Iterator[tuple[str, str]]:
    """Give the global names that a code object and those within it load and store; a class's own names are its own."""
    own: set[str] = set()
    inner = code.co_name != "<module>"
    for each in dis.get_instructions(code):
        if each.opname in LOADS and each.argval not in own:
            yield "load", each.argval
        elif each.opname in STORES:
            if each.opname == "STORE_NAME" and inner:
                own.add(each.argval)
            else:
                yield "store", each.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _inside(node: ast.Call) -> list[ast.AST]:
    """Return the code in a call's texts: ``frame.query("@least < x")``, ``!cmd {name}``, ``%timeit f(x)``."""
    what = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if what in {"query", "eval"}:
        found = [name for text in texts for name in re.findall(r"@([A-Za-z_]\w*)", text)]
    elif what in {"system", "getoutput"}:
        found = [a or b for text in texts for a, b in re.findall(r"\{([^{}]+)\}|(?<!\$)\$([A-Za-z_]\w*)", text)]
    elif what == "run_line_magic" and len(texts) == 2 and texts[0] in {"time", "timeit"}:
        found = [re.sub(r"^(\s*-\w+(\s*\d+)?\s)+", "", texts[1])]
    else:
        return []
    return [tree for text in found for tree in _parsed(text)]


def _parsed(text: str) -> list[ast.AST]:
    try:
        return list(ast.parse(text.strip()).body)
    except (SyntaxError, ValueError):
        return []
