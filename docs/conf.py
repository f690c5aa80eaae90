"""How Sphinx makes the site of these pages.

    pip install -e ".[docs]"
    sphinx-build -W --keep-going docs build/site

The pages are Markdown, and read as well where they lie: README.md and its kin at the root
of the checkout are pages of the site, too, and links to them are turned round here.
"""

import re
from pathlib import Path

import fastad

ROOT = Path(__file__).parents[1]

project = "fastad"
author = "The fastad maintainers"
version = release = fastad.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["pictures"]
default_role = "literal"  # `name` in a docstring
suppress_warnings = ["myst.header"]  # an operation's table begins where it begins

myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_member_order = "groupwise"

html_theme = "furo"
html_title = "fastad"
html_show_copyright = False
html_copy_source = False

# Files at the root, and the pages that show them.
BORROWED = {
    "README.md": "index",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
}


def read_page(_app, name, source):
    """Put the text of a borrowed file in, and let links meet pages instead of files."""
    text = source[0]
    for file, page in BORROWED.items():
        if name == page:
            borrowed = (ROOT / file).read_text("utf8")
            borrowed = re.sub(r"\]\((?=[\w.-]+[/.])(?!https?:)", "](../", borrowed)
            text = text.replace("<!-- the page -->", borrowed)
        text = text.replace(f"](../{file}", f"]({page}.md")
    text = text.replace("](../docs/", "](")
    # A doctest ends with an empty line, which is not to be seen.
    source[0] = re.sub(r"(?ms)^(```python\n.*?)\n+^```$", r"\1\n```", text)


def is_row(thing):
    """A function of the table of operations: its docstring is the row's line."""
    signed = getattr(thing, "__text_signature__", None)
    return bool(signed) and "\n" not in (thing.__doc__ or "\n")


def read_row(_app, _what, _name, thing, _options, lines):
    """The line is a sentence, without markup."""
    if is_row(thing) and lines:
        lines[0] = lines[0].replace("|", r"\|") + "."


def sign_row(_app, _what, _name, thing, *_):
    """Numpydoc would take a line like "log(1 + exp(x))" for the signature."""
    if is_row(thing):
        return re.sub(r"\$\w+, ", "", thing.__text_signature__), ""
    return None


def setup(app):
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_row, priority=100)
    app.connect("autodoc-process-signature", sign_row, priority=100)
