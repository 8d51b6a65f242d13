"""The page in a browser: no request, no sideways scrolling, and what axe finds.

Needs Chromium, and for the accessibility check the file ``axe.min.js`` of axe-core,
named by ``SKDAE_AXE``; without them these tests are skipped.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from poc_contents import CONTENTS

from skdae.poc._page import page

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCHEMES = {"dark": 0, "light": 1}  # as Chromium numbers them
NAMES = ("findings", "anomaly")  # between them all parts of the page
TELL = """
const tell = (found) => {
  document.body.innerHTML = "<pre id='told'></pre>";
  document.getElementById("told").textContent = JSON.stringify(found);
};
"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture(scope="module")
def axe():
    path = os.environ.get("SKDAE_AXE")
    if not path:
        pytest.skip("SKDAE_AXE does not name the file axe.min.js of axe-core")
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture
def told(browser, tmp_path):
    """Return what a script tells of a page that is open in the browser."""

    def open_page(html, script, scheme="light"):
        # without the policy a request would be made, and seen
        html = re.sub('<meta http-equiv="Content-Security-Policy".*?>', "", html)
        html = html.replace("</body>", f"<script>{TELL}{script}</script></body>")
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
            "--window-size=1200,900",
            "--virtual-time-budget=60000",
            "--dump-dom",
            file.as_uri(),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=True
        )
        found = re.search('<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
        assert found, done.stderr[-2000:]
        return json.loads(unescape(found[1]))

    return open_page


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_no_request_leaves_the_page(told, name, lang):
    script = """
      tell(performance.getEntriesByType("resource").map((entry) => entry.name));
    """
    html = page(CONTENTS[name], lang)
    assert told(html, script) == []
    # and this would tell of one
    asking = html.replace("<main>", '<img src="missing.png" alt=""><main>')
    wait = 'addEventListener("load", () => {' + script + "});"
    assert len(told(asking, wait)) == 1


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_a_phone_does_not_scroll_sideways(told, name, lang):
    script = """
      const html = "<!DOCTYPE html>" + document.documentElement.outerHTML;
      const phone = document.createElement("iframe");
      phone.style.cssText = "width: 390px; height: 800px; border: 0";
      phone.srcdoc = html.replace(/<script>[^]*?<\\/script>/g, "")
        .replaceAll("<details>", "<details open>");
      phone.onload = () => {
        const root = phone.contentDocument.documentElement;
        tell([phone.contentWindow.innerWidth, root.scrollWidth]);
      };
      document.body.append(phone);
    """
    assert told(page(CONTENTS[name], lang), script) == [390, 390]


def test_a_click_sorts_by_the_whole_value(told):
    script = """
      const table = document.querySelector("#denoising table.sortable");
      const head = table.tHead.rows[0].cells[1];
      const values = () => [...table.tBodies[0].rows]
        .map((row) => Number(row.cells[1].querySelector("data").value));
      head.querySelector("button").click();
      const up = [head.getAttribute("aria-sort"), values()];
      head.querySelector("button").click();
      tell([up, [head.getAttribute("aria-sort"), values()]]);
    """
    up, down = told(page(CONTENTS["worth"], "en"), script)
    assert up == ["ascending", sorted(up[1])]
    assert down == ["descending", sorted(up[1], reverse=True)]
    assert len(set(up[1])) > 3


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_serious(told, axe, name, lang, scheme):
    script = f"""{axe}
      document.querySelectorAll("details").forEach((details) => details.open = true);
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      axe.run(document).then((found) => tell({{
        scheme: isDark ? "dark" : "light",
        passes: found.passes.length,
        violations: found.violations.map(
          (rule) => [rule.id, rule.impact, rule.nodes.map((node) => node.html)]
        ),
      }}));
    """
    found = told(page(CONTENTS[name], lang), script, scheme)
    assert found["scheme"] == scheme
    assert found["passes"] > 20
    serious = [v for v in found["violations"] if v[1] in ("serious", "critical")]
    assert not serious
