#!/usr/bin/env python3
"""Checks what the compiler does not: that includes point down the tree, that two libraries stay behind their one door, and that
files and functions stay short. Prints file:line and the rule for each breach and exits with 1 if there is any.

Functions are found by their braces, outside tests only (a table of cases may be long). The heuristic knows namespaces, classes,
initialisers and member initialiser lists, not macros that hide braces."""
import re
import sys
from pathlib import Path

# folder -> the folders that its files may include besides their own, and with them what those may include.
BELOW = {
    "core": [],
    "config": ["core"],
    "kernels": ["core"],
    "graph": ["kernels"],
    "ops": ["graph"],
    "autodiff": ["ops"],
    "nn": ["autodiff", "config"],
    "data": ["kernels", "config"],
    "probes": ["data"],
    "train": ["nn", "data", "probes"],
    "study": ["train"],
    "experiments": ["study"],
    "sweep": ["train"],
    "cli": ["experiments", "sweep"],
}
# library -> the only files that may include it.
DOORS = {"dnnl": r"framework/kernels/gemm[^/]*\.cpp", "yaml-cpp": r"framework/config/[^/]*\.cpp"}

SOURCES = {".cpp", ".h", ".cu", ".cuh"}
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^">]+)')


def reachable(folder):
    found, open_folders = {folder}, [folder]
    while open_folders:
        for below in BELOW[open_folders.pop()]:
            if below not in found:
                found.add(below)
                open_folders.append(below)
    return found


def folder_of(path):
    """The folder in BELOW that a path from the root, or an include, belongs to; None for tests and others."""
    parts = path.split("/")
    name = parts[1] if parts[0] == "framework" and len(parts) > 2 else parts[0]
    return name if name in BELOW and len(parts) > 1 else None


def include_breaches(path, text):
    own = folder_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, target = match.groups()
        other = folder_of(target) if bracket == '"' else None
        if own and other and other not in reachable(own):
            may = ", ".join(sorted(reachable(own) - {own})) or "no other folder"
            yield number, f"{own} must not include {other} ({target}): it may include {may}"
        for library, door in DOORS.items():
            if target.split("/")[0].split(".")[0].split("_")[0] == library and not re.fullmatch(door, path):
                yield number, f"only {door} may include {library}"


TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#(?:\\\n|[^\n])*',
    re.DOTALL | re.MULTILINE,
)


def code_only(text):
    """The text with comments, strings and preprocessor lines blanked, line by line as before."""
    return TOKENS.sub(lambda match: "\n" * match.group().count("\n"), text)


def opens_scope(head):
    return re.search(r"\b(namespace|class|struct|union|enum|extern)\b[^()=]*$", head) is not None


def opens_function(head):
    if "(" not in head or re.search(r"=\s*$", head):
        return False
    # Foo() : member_{1}, other_{2} { ... }: the braces of a member follow its name.
    return not (re.search(r"\)\s*(noexcept\s*)?:[^:]", head) and re.search(r"[\w>]\s*$", head) and not head.rstrip().endswith("noexcept"))


def functions(text):
    """(first line, last line) of each function outside of other functions."""
    code = code_only(text)
    line, head, head_line, parentheses = 1, "", 1, 0
    stack = []  # what each open brace is: scope, function, other
    started = 0
    for character in code:
        inside = "function" in stack
        if character == "{" and not inside:
            if parentheses > 0:
                kind = "other"
            else:
                kind = "scope" if opens_scope(head) else "function" if opens_function(head) else "other"
            stack.append(kind)
            if kind == "function":
                started = head_line
            if kind != "other":
                head = ""
        elif character == "{":
            stack.append("other")
        elif character == "}" and stack:
            kind = stack.pop()
            if kind == "function":
                yield started, line
            head = head + "}" if kind == "other" else ""
        elif character == ";" and not inside and parentheses == 0:
            head = ""
        elif not inside:
            parentheses += (character == "(") - (character == ")")
            if not head.strip():
                head_line = line
            head += character
        line += character == "\n"


def length_breaches(path, text):
    lines = text.count("\n")
    if lines > MOST_FILE_LINES:
        yield lines, f"{lines} lines: a file has at most {MOST_FILE_LINES}"
    if path.startswith("tests/") or Path(path).suffix not in SOURCES:
        return
    for first, last in functions(text):
        if last - first + 1 > MOST_FUNCTION_LINES:
            yield first, f"{last - first + 1} lines: a function has at most {MOST_FUNCTION_LINES}"


def check_itself():
    """The rules catch what they are for. A check that cannot fail would be worth nothing."""
    assert [n for n, _ in include_breaches("framework/core/a.h", '\n#include "ops/ops.h"\n')] == [2]
    assert [n for n, _ in include_breaches("data/a.cpp", '#include "nn/params.h"')] == [1]
    assert [n for n, _ in include_breaches("framework/ops/a.cpp", '#include "framework/train/a.h"')] == [1]
    assert [n for n, _ in include_breaches("framework/nn/a.cpp", "#include <dnnl.hpp>")] == [1]
    assert [n for n, _ in include_breaches("framework/config/a.h", "#include <yaml-cpp/yaml.h>")] == [1]
    for path, line in [
        ("framework/ops/a.cpp", '#include "core/check.h"'),
        ("experiments/x/a.cpp", '#include "experiments/registry.h"'),
        ("framework/kernels/gemm.cpp", "#include <dnnl.h>"),
        ("tests/core/a.cpp", '#include "ops/ops.h"'),
        ("framework/core/a.h", '#include "neighbour.h"'),
    ]:
        assert not list(include_breaches(path, line)), (path, line)
    code = """namespace n {
struct S : T<int> {
  S(int a = {}) : a_{a}, b_{1} {
    if (a) { s = "}"; }  // }
  }
  int a_{0};
  static constexpr int table[] = {1, 2};
};
template <class F>
auto f(F g)
    -> int {
  return g([] { return R"({)"; });
}
}
"""
    assert list(functions(code)) == [(3, 5), (9, 13)], list(functions(code))
    long = "void f() {\n" + "  g();\n" * MOST_FUNCTION_LINES + "}\n"
    assert [n for n, _ in length_breaches("data/a.cpp", long)] == [1]
    assert not list(length_breaches("tests/data/a.cpp", long))
    assert [n for n, _ in length_breaches("scripts/a.py", "x\n" * 401)] == [401]


def main():
    check_itself()
    root = Path(__file__).resolve().parent.parent
    breaches = checked = 0
    for folder in ("framework", "data", "experiments", "tests", "scripts"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES | {".py"} and not (folder == "scripts" and file.is_file() and not file.suffix):
                continue
            path, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
            checked += 1
            found = [*(include_breaches(path, text) if file.suffix in SOURCES else []), *length_breaches(path, text)]
            for line, rule in found:
                print(f"{path}:{line}: {rule}")
            breaches += len(found)
    print(f"includes and lengths: {checked} files, {breaches} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
