"""The page in a real browser, wide and narrow: it asks nobody, fits, and its slider counts."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from trainable.cohort.scored import Scored
from trainable.report.page import Section, Slider, Table, write_page
from trainable.report.scores import score_figures

DRIVER, BROWSER = shutil.which("chromedriver"), shutil.which("chromium")
pytestmark = pytest.mark.skipif(not DRIVER or not BROWSER, reason="needs chromium, chromedriver")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 20])
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.15), 0, 1).astype(np.float32)
    scored = Scored(labels[:, None], np.arange(80), scores[:, None])
    wide = Table(pd.DataFrame({f"a column of a long name {n}": ["x" * 30] for n in range(12)}), "T")
    listing = "cxr-search --data /" + "a-long-folder/" * 20
    file = tmp_path_factory.mktemp("page") / "report.html"
    figures = score_figures(scored, 0.5)
    figures.append(dataclasses.replace(figures[0], is_wide=True))
    sections = [
        Section(
            "Scores", ["A sentence." * 30], figures,
            Slider.of(scored, 0.5), [wide], listing,
        ),
    ]  # fmt: skip
    sections.append(
        Section("Findings", choices=[Section("mass", ["One."]), Section("edema", ["Two."])])
    )
    write_page(file, "A search", sections)
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options, ChromeService(DRIVER)) as driver:
        yield driver


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_asks_nobody_and_has_no_error(
    browser: Chrome, page: Path, width: int
) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_narrow_screen_scrolls_a_wide_figure(browser: Chrome, page: Path) -> None:
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    [wide] = browser.find_elements(By.CSS_SELECTOR, "figure.wide")
    box, svg = (wide.find_element(By.CSS_SELECTOR, name) for name in (".scroll", "svg"))
    assert box.rect["width"] <= 390 < svg.rect["width"]


def test_the_slider_moves_the_confusion_matrix(browser: Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    slider = browser.find_element(By.CSS_SELECTOR, ".slider input")
    slider.send_keys(Keys.HOME)
    counts = {
        name: browser.find_element(By.CLASS_NAME, name).text for name in ("tp", "fn", "fp", "tn")
    }
    assert counts == {"tp": "20", "fn": "0", "fp": "60", "tn": "0"}
    assert (
        "sensitivity 1.000, specificity 0.000"
        in browser.find_element(By.CLASS_NAME, "metrics").text
    )


def test_a_reader_chooses_one_of_several_findings(browser: Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    mass, edema = browser.find_elements(By.CLASS_NAME, "choice")
    assert (mass.is_displayed(), edema.is_displayed()) == (True, False)
    Select(browser.find_element(By.CSS_SELECTOR, ".chooser select")).select_by_visible_text("edema")
    assert (mass.is_displayed(), edema.is_displayed()) == (False, True)
