"""A picture as a drawing that stands alone, in SVG.

The page's own script draws it, and dagre lays it out, as in a browser: both run in
mini-racer, a small JavaScript engine, which is not installed with fastad itself.
"""

import contextlib
import json
from typing import Any

from fastad.page import asset

__all__ = ["drawing"]

# What browsers have, dagre calls, and the engine lacks; dagre clones plain data only.
SUPPLEMENT = "globalThis.structuredClone ??= (x) => JSON.parse(JSON.stringify(x))"


def drawing(model: dict[str, Any], step: int | None, is_mode: bool) -> str:
    """The SVG of what `fastad.page.model` gives: after a step, in forward mode, or of all.

    ImportError without mini-racer.
    """
    try:
        from py_mini_racer import MiniRacer
    except ImportError as error:
        raise ImportError(
            'a picture as SVG needs mini-racer: pip install "fastad[show]"; '
            "the page, .html, needs nothing, and .dot is drawn by Graphviz"
        ) from error
    arguments = (model, step, is_mode, asset("picture.css"))
    call = f"standalone({', '.join(json.dumps(x) for x in arguments)})"
    with contextlib.closing(MiniRacer()) as engine:
        engine.eval(SUPPLEMENT)
        engine.eval(asset("dagre.min.js"))
        engine.eval(asset("picture.js"))
        return str(engine.eval(call))
