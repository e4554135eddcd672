"""The status page in a real browser, against canned answers: what somebody on call reads, hears, and does with keys."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest

from .page_answers import CANNED, HOSTILE, healthy, hostile, many_letters, one_lags, sink_down
from .page_kit import TOKEN, Post, StatusServer

pytest.importorskip("playwright", reason="playwright is not installed: the status page is not tested")
pytest.importorskip("axe_playwright_python", reason="axe is not installed: the status page is not tested")
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.needs("chromium")

FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NARROW, WIDE = {"width": 320, "height": 640}, {"width": 1280, "height": 900}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # on a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def module_server() -> Iterator[StatusServer]:
    with StatusServer() as server:
        yield server


@pytest.fixture
def server(module_server: StatusServer) -> StatusServer:
    module_server.reset(healthy())
    return module_server


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors, and what the Content-Security-Policy forbade."""
    return []


@pytest.fixture
def open_page(browser: Browser, server: StatusServer, complaints: list[str]) -> Iterator[Open]:
    context = browser.new_context(viewport=WIDE, timezone_id="Etc/UTC")  # type: ignore[arg-type]

    def open_page(status: dict[str, Any], *, token: bool = True) -> Page:
        server.reset(status)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url_with_token if token else server.url)
        expect(page.locator("#findings li")).not_to_have_count(0)
        return page

    yield open_page
    context.close()


def wait_for_numbers(page: Page) -> None:
    """Until the page has shown one more look at the status."""
    shown = page.locator("#updated").inner_text()
    expect(page.locator("#updated")).not_to_have_text(shown)


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("name", CANNED)
def test_anybody_can_read_it_wide_narrow_light_and_dark(open_page: Open, complaints: list[str], name: str) -> None:
    page = open_page(CANNED[name](), token=name != "many_letters")  # once with the form for the token
    expect(page.locator(".u-over")).to_have_count(4)
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == [], f"{size['width']} px, {scheme}"
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"it scrolls sideways at {size['width']} px"
    assert complaints == []


def test_which_sink_is_down_and_since_when(open_page: Open) -> None:
    page = open_page(sink_down())
    first = page.locator("#findings li").first
    expect(first).to_contain_text("Sink search (write.http) is down since 02:14:30 (12 min): connection refused")
    expect(first).to_contain_text("Problem")
    expect(page.get_by_role("heading", name="1 problem")).to_be_visible()
    expect(page).to_have_title(re.compile("^1 problem"))
    expect(page.locator("#said")).to_contain_text("Sink search (write.http) is down")  # to a screen reader, once
    node = page.locator(".node.bad")
    expect(node).to_contain_text("Down since 02:14:30 (12 min)")
    expect(node).to_contain_text("Bottleneck")


def test_which_file_lags_most(open_page: Open) -> None:
    page = open_page(one_lags())
    finding = page.get_by_text("File /var/log/shop/audit.log lags most: 1.3 GiB, oldest line 4 min 12 s old")
    expect(finding).to_be_visible()
    rows = page.locator("#files tbody th")
    expect(rows.first).to_have_text("/var/log/shop/audit.log")
    page.locator("#files").get_by_role("button", name="File").click()
    expect(rows.first).to_have_text("/var/log/nginx/access.log")
    expect(page.locator("#files [aria-sort=ascending]")).to_have_text("File")


def test_which_stage_makes_most_dead_letters(open_page: Open) -> None:
    page = open_page(many_letters())
    words = "Stage parse.json makes most dead letters: 1,234, 1,200 of them bad_json, the last at 02:26"
    expect(page.get_by_text(words)).to_be_visible()


def test_what_the_page_has_no_sentence_for_is_told_in_the_daemons_words(open_page: Open) -> None:
    page = open_page(sink_down())
    expect(page.get_by_text("Not ready")).to_have_count(0)  # the one reason is that sink
    page = open_page(healthy() | {"ready": False, "reasons": ["the state directory is full"]})
    expect(page.locator("#findings").get_by_text("Not ready: the state directory is full")).to_be_visible()


def test_the_plots_are_told_in_words(open_page: Open) -> None:
    page = open_page(healthy())
    expect(page.get_by_role("img", name=re.compile("Plot of Memory.*Ceiling: latest 704 MiB"))).to_be_visible()
    latency = page.get_by_role("table", name="Latency, from append to durable in numbers")
    expect(latency.get_by_role("row", name=re.compile("Median"))).to_contain_text("0.25 s")


def test_numbers_change_in_place_and_nothing_is_said(open_page: Open) -> None:
    page = open_page(healthy())
    lines = page.locator("#numbers strong").first
    lines.evaluate("node => node.mark = node.firstChild.mark = true")
    text = lines.inner_text()
    expect(lines).not_to_have_text(text)
    assert lines.evaluate("node => node.mark && node.firstChild.mark")
    expect(page.locator("#said")).to_be_empty()


def test_letters_are_read_and_a_group_is_re_driven_by_keys_alone(open_page: Open, server: StatusServer) -> None:
    page = open_page(many_letters())

    def tab_to(name: str) -> None:
        button = page.get_by_role("button", name=name)
        for _ in range(80):
            page.keyboard.press("Tab")
            if button.evaluate("node => node === document.activeElement"):
                return
        pytest.fail(f"no way to {name} with the Tab key")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the status")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to("Show letters of parse.json, bad_json")
    page.keyboard.press("Enter")
    letters = page.locator(".letters:visible > ul > li")
    expect(letters).to_have_count(20)
    expect(letters.first).to_contain_text("expected a comma or the end of the object")
    expect(letters.first).to_contain_text("1 attempt")
    page.get_by_role("button", name="Show older ones").press("Enter")
    expect(letters).to_have_count(40)
    assert violations(page) == []
    page.get_by_role("button", name="Hide letters of parse.json, bad_json").press("Enter")
    page.locator("#main").focus()
    tab_to("Re-drive 1,200 letters of parse.json, bad_json")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_contain_text("Re-drive 1 has begun: 1,197 letters of parse.json, bad_json.")
    assert server.posts == [
        Post("/api/dead_letters/redrive", TOKEN, {"stage": "parse.json", "error": "bad_json"}),
    ]
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "600")
    wait_for_numbers(page)
    expect(page.get_by_role("button", name="Re-drive 1,200 letters")).to_be_focused()
    server.status["redrive"] |= {"running": False, "done": 1_197, "written": 1_195}
    expect(page.locator("#result")).to_contain_text("Re-drive 1 has ended: 1,197 of 1,197 letters done, 1,195 written")


def test_dropping_asks_first(open_page: Open, server: StatusServer) -> None:
    page = open_page(many_letters())
    button = page.get_by_role("button", name="Drop… 34 letters of parse.json, too_deep")
    dialog = page.get_by_role("dialog", name="Drop 34 dead letters?")
    button.press("Enter")
    expect(dialog).to_contain_text("those that come meanwhile stay. This cannot be undone")
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(button).to_be_focused()
    wait_for_numbers(page)
    assert server.posts == []
    button.press("Enter")
    dialog.get_by_role("button", name="Drop 34 dead letters").press("Enter")
    expect(page.locator("#result")).to_have_text("Dropped 34 dead letters of parse.json, too_deep.")
    assert [(post.path, post.body) for post in server.posts] == [
        ("/api/dead_letters/drop", {"stage": "parse.json", "error": "too_deep", "until": 999})  # the newest then
    ]
    expect(button).to_have_count(0)
    expect(page.get_by_role("heading", name="Dead letters")).to_be_focused()  # the button that had it is gone


def test_letters_that_are_gone_already_are_not_asked_about(open_page: Open, server: StatusServer) -> None:
    page = open_page(many_letters())
    button = page.get_by_role("button", name="Drop… 34 letters of parse.json, too_deep")
    groups = server.status["dead_letters"]["groups"]
    server.status["dead_letters"]["groups"] = [one for one in groups if one["error"] != "too_deep"]
    button.dispatch_event("click")  # before the page looks again
    expect(page.locator("#result")).to_have_text("There are no dead letters of parse.json, too_deep any more.")
    assert server.posts == []


def test_text_from_logs_stays_text(open_page: Open, complaints: list[str]) -> None:
    page = open_page(hostile())
    assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0
    shown = HOSTILE.replace("\u202e", r"\u202e").replace("\u2066", r"\u2066").replace("\x1b", r"\x1b")
    expect(page.get_by_role("heading", level=1)).to_have_text(shown.replace("\ud800", r"\ud800"))
    page.get_by_role("button", name="Show letters of stage 0").click()
    line = page.locator("pre").first
    expect(line).to_contain_text('<script>document.title="taken"</script>')
    expect(page.locator(".flow .node")).to_have_count(1 + 60 + 13)
    expect(page).to_have_title(re.compile("^7 problems"))
    assert complaints == []


def test_the_token_leaves_the_address_and_stays_in_the_tab(open_page: Open, server: StatusServer) -> None:
    page = open_page(many_letters())
    assert page.url == server.url
    page.reload()
    expect(page.get_by_text("The token is kept for this tab.")).to_be_visible()
    assert page.evaluate("history.length") == 2  # about:blank and this


def test_without_the_token_the_page_says_how_to_get_it(open_page: Open, server: StatusServer) -> None:
    page = open_page(many_letters(), token=False)
    field = page.get_by_label("Token")
    expect(page.get_by_text("paste the text of /var/lib/tailrace/token")).to_be_visible()
    page.get_by_role("button", name="Re-drive 3 letters").click()
    expect(field).to_be_focused()
    assert server.posts == []
    field.fill("wrong")
    field.press("Enter")
    expect(page.get_by_text("The server does not take this token")).to_be_visible()
    expect(page.locator("#result")).to_be_empty()
    field.fill(f" {TOKEN}\n")
    field.press("Enter")
    expect(page.locator("#result")).to_contain_text("The server takes the token")
    page.get_by_role("button", name="Re-drive 3 letters").click()
    expect(page.locator("#result")).to_contain_text("has begun")
    assert [post.token for post in server.posts] == [TOKEN]


def test_a_lost_server_is_said_and_found_again_by_itself(open_page: Open, server: StatusServer) -> None:
    page = open_page(sink_down())
    server.lost = True
    lost = page.get_by_role("complementary", name="Connection")
    expect(lost).to_contain_text("Connection lost since 02:26:")
    expect(page.locator("#said")).to_have_text("Connection lost. What is shown is old.")
    expect(
        page.get_by_role("link", name="Sink search (write.http) is down")
    ).to_be_visible()  # what was known stays, in grey
    assert page.locator("main").evaluate("node => getComputedStyle(node).filter") == "grayscale(1)"
    assert violations(page) == []
    server.lost = False
    expect(lost).not_to_be_visible()
    expect(page.locator("#said")).to_have_text("Connected again.")
    expect(page).to_have_title(re.compile("^1 problem"))


def test_a_lost_server_is_found_at_once_if_one_asks(open_page: Open, server: StatusServer) -> None:
    page = open_page(healthy())
    page.clock.install()
    page.reload()
    server.lost = True
    button = page.get_by_role("button", name="Try now")
    expect(button).to_be_visible()
    with page.expect_event("requestfailed"):
        page.clock.pause_at(page.evaluate("Date.now() / 1000") + 60)  # from here on nothing is tried by itself
    server.lost = False
    button.press("Enter")
    expect(button).not_to_be_visible()
    expect(page.locator("#main")).to_be_focused()  # the button that had it is gone


def test_a_daemon_that_answers_with_old_numbers_is_said(open_page: Open, server: StatusServer) -> None:
    page = open_page(healthy())
    server.moving = False
    server.status["name"] = "the same again"
    expect(page.get_by_role("heading", name="the same again")).to_be_visible()
    page.clock.install()
    page.clock.run_for(15_000)
    expect(page.locator("#findings li").first).to_contain_text("The daemon tells nothing new for 1")


def test_nothing_is_asked_while_the_tab_is_hidden(open_page: Open, server: StatusServer) -> None:
    page = open_page(healthy())
    turn = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.clock.install()
    page.reload()
    expect(page.locator("#findings li")).not_to_have_count(0)
    page.evaluate(turn, True)
    asked = server.asked.count("/api/status")
    for _ in range(10):
        page.clock.run_for(10_000)
        page.evaluate("fetch('page.css').then(answer => answer.text())")  # so much time for an answer
    assert server.asked.count("/api/status") <= asked + 1  # what was under way
    with page.expect_request("**/api/status"):
        page.evaluate(turn, False)
