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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from poc_contents import CONTENTS

from skdae.poc._page import page

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCHEMES = {"dark": 0, "light": 1}  # as Chromium numbers them
NAMES = ("findings", "anomaly")  # between them all parts of the page
PAGE = "http://report.test/"
# what Chromium asks for by itself
OWN = r"//report\.test/favicon\.ico$|^(https?://)?[^/]*\.(google|googleapis|gvt1)\.com[:/]"
REPORT = """
const report = (found) => {
  document.body.innerHTML = "<pre id='reported'></pre>";
  document.getElementById("reported").textContent = JSON.stringify(found);
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


class Web(BaseHTTPRequestHandler):
    """All of the web for a browser, with one page in it; it notes what is asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path != PAGE:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.html.encode())

    do_POST = do_CONNECT = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def reported(browser, tmp_path):
    """Return what a script reports of a page in the browser, and what was asked for."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    Thread(target=web.serve_forever, daemon=True).start()

    def open_page(html, script, scheme="light"):
        # without the policy a request would be made, and seen
        html = re.sub('<meta http-equiv="Content-Security-Policy".*?>', "", html)
        html = html.replace("</body>", f"<script>{REPORT}{script}</script></body>")
        web.html, web.asked = html, []
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            f"--proxy-server=127.0.0.1:{web.server_port}",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
            "--window-size=1200,900",
            "--virtual-time-budget=60000",
            "--dump-dom",
            PAGE,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=True
        )
        found = re.search('<pre id="reported">(.*?)</pre>', done.stdout, re.DOTALL)
        assert found, done.stderr[-2000:]
        asked = [a for a in web.asked if not re.search(OWN, a)]
        return json.loads(unescape(found[1])), asked

    yield open_page
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_no_request_leaves_the_page(reported, name, lang):
    html = page(CONTENTS[name], lang)
    wait = 'addEventListener("load", () => report("loaded"));'
    assert reported(html, wait) == ("loaded", [PAGE])
    if (name, lang) == (NAMES[0], "en"):  # a request would be seen
        other = "http://elsewhere.test/picture.png"
        html = html.replace("<main>", f'<img src="{other}" alt=""><main>')
        assert reported(html, wait) == ("loaded", [PAGE, other])


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_a_phone_does_not_scroll_sideways(reported, name, lang):
    script = """
      const html = "<!DOCTYPE html>" + document.documentElement.outerHTML;
      const phone = document.createElement("iframe");
      phone.style.cssText = "width: 390px; height: 800px; border: 0";
      phone.srcdoc = html.replace(/<script>[^]*?<\\/script>/g, "")
        .replaceAll("<details>", "<details open>");
      phone.onload = () => {
        const root = phone.contentDocument.documentElement;
        report([phone.contentWindow.innerWidth, root.scrollWidth - root.clientWidth]);
      };
      document.body.append(phone);
    """
    found, _ = reported(page(CONTENTS[name], lang), script)
    assert found == [390, 0]


def test_a_click_sorts_by_the_whole_value(reported):
    script = """
      const table = document.querySelector("#denoising table.sortable");
      const head = table.tHead.rows[0].cells[1];
      const values = () => [...table.tBodies[0].rows]
        .map((row) => row.cells[1].querySelector("data"))
        .filter((number) => number !== null)  // a method without this error is last
        .map((number) => Number(number.value));
      head.querySelector("button").click();
      const up = [head.getAttribute("aria-sort"), values()];
      head.querySelector("button").click();
      report([up, [head.getAttribute("aria-sort"), values()]]);
    """
    (up, down), _ = reported(page(CONTENTS["worth"], "en"), script)
    assert up == ["ascending", sorted(up[1])]
    assert down == ["descending", sorted(up[1], reverse=True)]
    assert len(set(up[1])) > 3


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_serious(reported, axe, name, lang, scheme):
    script = f"""{axe}
      document.querySelectorAll("details").forEach((details) => details.open = true);
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      axe.run(document).then((found) => report({{
        scheme: isDark ? "dark" : "light",
        passes: found.passes.length,
        violations: found.violations.map(
          (rule) => [rule.id, rule.impact, rule.nodes.map((node) => node.html)]
        ),
      }}));
    """
    found, _ = reported(page(CONTENTS[name], lang), script, scheme)
    assert found["scheme"] == scheme
    assert found["passes"] > 20
    serious = [v for v in found["violations"] if v[1] in ("serious", "critical")]
    assert not serious
