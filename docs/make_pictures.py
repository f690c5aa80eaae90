"""Write docs/pictures/, the pictures in README.md and on the pages.

python docs/make_pictures.py

They need mini-racer: pip install "fastad[show]".
"""

from pathlib import Path

from fastad import math, show

FOLDER = Path(__file__).with_name("pictures")


def height(x, y):
    return math.exp(-x * x) * math.cos(y)


def f(w1, w2):
    a = w1 * w1
    b = math.sin(w2)
    c = a * b
    return c / w1


def walk(p):
    x, path = 0.0, 0.0
    for k in range(10_000):
        x = x + math.sin(p[k % 2]) * 1e-4
        path = path + x * x
    return math.sqrt(path)


def pictures():
    """The drawings, by the name of the file."""
    textbook = show(f, 2.0, 3.0)
    seed = [step.kind for step in textbook.steps].index("seed")
    return {
        "height.svg": show(height, 0.5, 1.0).svg(),
        "graph.svg": textbook.svg(step=seed - 1),  # the forward sweep is done
        "forward.svg": textbook.svg(forward=0),
        "reverse.svg": textbook.svg(),
        "folded.svg": show(walk, [1.0, 2.0]).svg(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in pictures().items():
        (FOLDER / name).write_text(drawing + "\n", "utf8")
