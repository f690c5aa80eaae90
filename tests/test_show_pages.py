"""The pages of show in a real browser: numbers, keyboard, screen reader, light and dark.

They need Chromium with its driver on the PATH, and Selenium; without, all but the tests of
the colours are skipped, and the reason says what is missing.
"""

import functools
import os
import re
import shutil

import pytest

import fastad
from fastad import math, show
from fastad.page import asset, model

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")


def textbook(w1, w2):
    a = w1 * w1
    b = math.sin(w2)
    if b < 2.0:
        a = a * b + 2.0
    return a / w1


def loop(p):
    total = 0.0
    for k in range(300):
        total = total + math.sin(p[k % 3]) * p[0]
    return math.exp(-total * 1e-3)


CASES = {
    "textbook": (textbook, (2.0, 3.0)),
    "loop": (loop, ([1.0, 2.0, 3.0],)),
    "nan": (lambda x: x * fastad.math.inf - x**0.5, (0.0,)),
    "constant": (lambda x: 2.0, (1.0,)),
    "nothing": (lambda: 2.0, ()),
    "hostile": (lambda d: {'"</script><b>': d["<i>"] * 2}, ({"<i>": 1.0},)),
}


@functools.cache
def picture(name):
    f, args = CASES[name]
    return show(f, *args)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (CHROMIUM and DRIVER):
        pytest.skip(
            "no chromium and chromedriver on the PATH: install both to run this"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1300,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # What a sanitizer preloads into Python is not for Chromium.
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    service = webdriver.ChromeService(DRIVER, env=environment)
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


class Page:
    """A page as its reader has it."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def run(self, code):
        return self.driver.execute_script(code)

    def wait(self, code):
        """Wait until the code returns true."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 20, 0.02).until(lambda _: self.run(code))

    def press(self, key):
        """Press a key wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(getattr(self.keys, key))

    @property
    def keys(self):
        from selenium.webdriver.common.keys import Keys

        return Keys

    @property
    def says(self):
        return self.run("return document.getElementById('says').textContent")

    def marks(self):
        """The mark on each node: {id: text}."""
        return self.run(
            "return Object.fromEntries([...document.querySelectorAll('#stage [data-node]')]"
            ".map(n => [n.dataset.node, n.querySelector('.mark')?.textContent ?? null]))"
        )

    def errors(self):
        return self.driver.get_log("browser")


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a picture."""

    def open_page(name, *, dark=False):
        (tmp_path / "page.html").write_text(picture(name).html(), "utf8")
        return go(tmp_path / "page.html", dark)

    def go(path, dark=False):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get(path.as_uri())
        page = Page(browser)
        if path.name == "page.html":
            page.wait("return document.documentElement.dataset.ready === ''")
        return page

    open_page.go = go
    return open_page


@pytest.mark.parametrize("name", CASES)
def test_it_loads_without_an_error_and_without_the_network(name, opened):
    page = opened(name)
    assert page.errors() == []
    loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
    assert all(name.startswith("data:") for name in page.run(loaded))
    drawn = page.all("#stage [data-node]")
    graph = picture(name).graph
    assert len(drawn) == len(graph.drawn if graph.is_whole else graph.fold.groups)
    assert page.find("h1").text == picture(name).title


def test_every_step_says_and_shows_the_right_numbers(opened):
    page, shown = opened("textbook"), picture("textbook")
    source = shown.graph.run.inputs[0]
    steps = [*shown.mode(source), *shown.steps]
    page.press("HOME")
    for step in steps:
        said = page.says
        if step.kind == "tangent" and shown.carries_nothing(step):
            assert said.startswith(shown.sentence(step).partition("\n")[0])
            assert said.endswith(" = 0")
        else:
            assert said == shown.sentence(step)
        if step.after is not None:
            on = step.node if step.edge is None else step.edge.source
            sign = "→" if step.kind == "tangent" else "←"
            assert (
                page.marks()[str(on)] == f"{sign} {fastad.notation.number(step.after)}"
            )
        place = shown.graph.nodes[step.node].place
        lines = page.all(".source .now .number")
        assert [line.text for line in lines] == ([str(place[1])] if place else [])
        page.press("ARROW_RIGHT")
    assert "∂textbook/∂w1 = " in page.says
    page.press("ARROW_LEFT")
    assert page.says == shown.sentence(steps[-1])
    assert page.errors() == []


def test_each_edge_has_its_own_step(opened):
    page, graph = opened("textbook"), picture("textbook").graph
    page.find('[data-phase="forward"]').click()
    seen = []
    for step in picture("textbook").steps:
        if step.kind in ("partial", "product"):
            (current,) = page.all("#stage .arrow.current path:first-child")
            seen.append(
                (
                    step.kind,
                    current.find_element("xpath", "..").get_attribute("data-edge"),
                )
            )
        if step.kind == "seed":
            assert len(page.all("#stage .partial")) == graph.n_edges
        page.press("ARROW_RIGHT")
    assert len(set(seen)) == len(seen) == 2 * graph.n_edges


def test_what_is_not_known_yet_is_not_shown(opened):
    page = opened("textbook")
    page.find('[data-phase="forward"]').click()
    assert len(page.all("#stage .node .value")) == 1 + len(
        page.all("#stage .node.constant")
    )
    assert page.all("#stage .partial") == []
    page.find('[data-phase="backward"]').click()
    output = picture("textbook").graph.output
    assert {k: v for k, v in page.marks().items() if v} == {str(output): "← 1"}
    assert page.find('[data-phase="backward"]').get_attribute("aria-current") == "step"


def test_forward_mode_from_the_chosen_input_with_its_zeros(opened):
    page, shown = opened("textbook"), picture("textbook")
    for k, source in enumerate(shown.graph.run.inputs):
        page.run(
            f"const s = document.getElementById('input'); s.value = {k};"
            "s.dispatchEvent(new Event('change'))"
        )
        tangents = shown.graph.run.tangents(source)
        marks = page.marks()
        zeros = 0
        for node in shown.graph.nodes.values():
            if node.kind != "constant":
                number = fastad.notation.number(tangents[node.id])
                assert marks[str(node.id)] == f"→ {number}"
                zeros += number == "0"
        assert len(page.all("#stage .mark.zero")) == zeros
        assert len(page.all("#side-forward .mark.zero")) == zeros
        assert f"{zeros} of the" in page.find("#side-forward .what").text


def test_the_modes_side_by_side_with_their_costs(opened):
    page, graph = opened("textbook"), picture("textbook").graph
    assert page.all("#side-forward .mark.mode")
    assert len(page.all("#side-reverse .mark.backward")) == len(
        [node for node in graph.nodes.values() if node.kind != "constant"]
    )
    cells = [cell.text for cell in page.all("[aria-labelledby=costs] td")]
    expected = [(c.n_sweeps, c.n_products, c.n_zeros) for c in graph.costs]
    assert cells == [f"{x:,}" for cost in expected for x in cost]


@pytest.mark.parametrize("name", ["textbook", "loop"])
def test_the_keyboard_reaches_everything_and_everything_has_a_name(name, opened):
    page = opened(name)
    wanted = {
        element.id
        for element in page.all(
            "button, input, select, summary, .source, #stage, [role=button]"
        )
        if element.is_displayed()
    }
    reached = set()
    for _ in range(2 * len(wanted)):
        page.press("TAB")
        element = page.driver.switch_to.active_element
        if element.tag_name == "body":
            break
        reached.add(element.id)
        assert element.accessible_name, element.get_attribute("outerHTML")[:200]
    assert wanted <= reached


def test_a_screen_reader_hears_the_steps(opened):
    page = opened("textbook")
    status = page.find("[role=status]")
    assert status.get_attribute("aria-live") == "polite"
    slider = page.find("#slider")
    slider.send_keys(page.keys.ARROW_LEFT)
    assert slider.get_attribute("aria-valuetext").endswith(page.says)
    assert page.says in status.get_attribute("textContent")
    assert (
        page.find("#stage svg").get_attribute("aria-label") == picture("textbook").title
    )
    page.find("summary").click()
    rows = page.all("#rows tr")
    named = [
        n for n in picture("textbook").graph.nodes.values() if n.kind != "constant"
    ]
    assert [row.find_element("css selector", "th").text for row in rows] == [
        node.name for node in named
    ]
    assert "∂b/∂w2 = -0.98999" in page.find("#rows").text


def test_a_box_is_opened_and_closed_by_keyboard(opened):
    page = opened("loop")
    boxes = len(page.all("#stage [data-node]"))
    page.run("document.querySelectorAll('#stage [aria-expanded=false]')[1].focus()")
    page.press("ENTER")
    fold = picture("loop").graph.fold
    nodes = fold.groups[1].nodes
    assert len(page.all("#stage [data-node]")) == boxes + len(nodes)
    rest = page.find('#stage [aria-expanded="true"]')
    assert f"{fold.groups[1].n - len(nodes):,} more" in rest.text
    assert page.driver.switch_to.active_element.id == rest.id
    page.press("ENTER")
    assert len(page.all("#stage [data-node]")) == boxes
    assert page.errors() == []


def test_a_folded_picture_goes_sweep_by_sweep(opened):
    page = opened("loop")
    content = model(picture("loop"))
    page.press("HOME")
    shown = [s for s in content["sweeps"] if s["kind"] != "mode"]
    for sweep in [content["sweeps"][0], *shown]:
        assert page.says == sweep["says"]
        if sweep["kind"] == "partials":
            marks = [mark for mark in page.marks().values() if mark]
            expected = [
                f"∂ {g['partials']}" for g in content["groups"] if g["partials"]
            ]
            assert marks == expected
        page.press("ARROW_RIGHT")
    assert page.says == content["result"]


def test_in_a_notebook_it_is_a_page_in_a_page(opened, tmp_path):
    outer = tmp_path / "notebook.html"
    html = picture("textbook")._repr_html_()
    outer.write_text(f"<!DOCTYPE html><meta charset=utf-8>{html}", "utf8")
    page = opened.go(outer)
    page.driver.switch_to.frame(page.find("iframe"))
    assert "∂textbook/∂w1 = " in page.says
    assert page.errors() == []
    page.driver.switch_to.default_content()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_follows_the_scheme(dark, opened):
    page = opened("textbook", dark=dark)
    paper = palettes()["dark" if dark else "light"]["paper"]
    rgb = f"rgb({', '.join(str(int(paper[k : k + 2], 16)) for k in (1, 3, 5))})"
    shown = "return getComputedStyle(document.querySelector('%s')).backgroundColor"
    assert page.run(shown % "body") == rgb
    assert page.run(shown % "#stage svg") == rgb


# ---- Colours --------------------------------------------------------------------------


def palettes():
    style = asset("picture.css")
    light, dark = re.findall(r"\.fastad \{ (--ink.*?)\}", style, re.S)
    return {
        "light": dict(re.findall(r"--(\w+): (#\w+)", light)),
        "dark": dict(re.findall(r"--(\w+): (#\w+)", dark)),
    }


def luminance(colour):
    """Of WCAG 2.2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(scheme):
    colours = palettes()[scheme]
    assert len(colours) == len(palettes()["light"])
    for text in ("ink", "soft", "values", "backward", "mode", "odd"):
        for ground in ("paper", "card", "glow"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["edge"], colours["paper"]) >= 3.0
