"""A preprocessor of mdBook: links that leave docs/ lead to the repository, where those files can be read.

Called by mdbook, as docs/book.toml says: with `supports RENDERER`, or with a context and a book as JSON on standard input.
"""

import json
import posixpath
import re
import sys

LINK = re.compile(r"(\]\(\s*)([^()\s#]+)((?:#[^()\s]*)?\s*\))")


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    repository = context["config"]["output"]["html"]["git-repository-url"]
    for item in book.get("items") or book["sections"]:
        rewrite(item, repository)
    json.dump(book, sys.stdout)


def rewrite(item: object, repository: str) -> None:
    """Changes a chapter and those below it; separators and titles of parts have no links."""
    chapter = item.get("Chapter") if isinstance(item, dict) else None
    if chapter is None:
        return
    if path := chapter.get("source_path"):
        folder = posixpath.join("docs", posixpath.dirname(path))

        def link(found: re.Match) -> str:
            before, target, after = found.groups()
            file = posixpath.normpath(posixpath.join(folder, target))
            if ":" in target or file == "docs" or file.startswith("docs/"):
                return found[0]
            return f"{before}{repository}/blob/main/{file}{after}"

        chapter["content"] = LINK.sub(link, chapter["content"])
    for below in chapter["sub_items"]:
        rewrite(below, repository)


if __name__ == "__main__":
    main()
