#!/usr/bin/env python3
"""Counts lines a folder, code and comments apart, and names the longest files: to see the project grow and to keep it readable."""
from collections import defaultdict
from pathlib import Path

COMMENT = {".cpp": "//", ".h": "//", ".cu": "//", ".cuh": "//", ".py": "#", ".sh": "#", "": "#"}
FOLDERS = ("framework", "data", "experiments", "tests", "scripts")


def count(file):
    """(lines of code, lines of comments)"""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    comments = sum(line.startswith(COMMENT[file.suffix]) for line in lines)
    return len(lines) - comments, comments


def main():
    root = Path(__file__).resolve().parent.parent
    folders, longest = defaultdict(lambda: [0, 0, 0]), []
    for top in FOLDERS:
        for file in (root / top).rglob("*"):
            if not file.is_file() or file.suffix not in COMMENT:
                continue
            code, comments = count(file)
            parts = file.relative_to(root).parts
            name = "/".join(parts[:2]) if len(parts) > 2 else parts[0]
            folders[name] = [a + b for a, b in zip(folders[name], (1, code, comments))]
            longest.append((file.read_text(encoding="utf-8").count("\n"), file.relative_to(root).as_posix()))
    print(f"{'folder':<36}{'files':>7}{'code':>8}{'comments':>10}")
    for name, numbers in sorted(folders.items()):
        print(f"{name:<36}{numbers[0]:>7}{numbers[1]:>8}{numbers[2]:>10}")
    files, code, comments = (sum(column) for column in zip(*folders.values()))
    print(f"{'all':<36}{files:>7}{code:>8}{comments:>10}\n\nlongest files")
    for lines, name in sorted(longest, reverse=True)[:8]:
        print(f"{lines:>7}  {name}")


if __name__ == "__main__":
    main()
