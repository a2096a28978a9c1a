"""The page in a real browser: quiet, self-contained, safe, legible on a phone, and accessible."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import ATTACK
from hostile import hostile
from waiting import PATIENCE

from dspy_dlpo import DLPOResult

MARKER = "window.hacked=1"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, one, two, without_gain, empty):
    """The page of each kind of run."""
    folder = tmp_path_factory.mktemp("pages")
    bad = hostile(one, folder / "hostile")
    unended = folder / "unended"
    unended.mkdir()
    for name in ("run.json", "events.jsonl"):
        (unended / name).write_bytes((Path(one.log_dir) / name).read_bytes())
    frozen = {f"part{n}": f"Do part {n}." for n in range(20)}
    many = replace(two, best_prompts={**frozen, **two.best_prompts}, start_prompts={**frozen, **two.start_prompts})
    results = {
        "one": one,
        "two": two,
        "without gain": without_gain,
        "empty": empty,
        "hostile": bad,
        "unended": DLPOResult.load(unended),
        "many prompts": many,
        "no directory": replace(one, log_dir=None),
    }
    return {name: result.to_html(folder / f"{name}.html") for name, result in results.items()}


NAMES = ("one", "two", "without gain", "empty", "hostile", "unended", "many prompts", "no directory")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_loaded_and_accessibility_has_no_violations(pages, page, name, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    # axe cannot see what is folded.
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert asked == [pages[name].as_uri()]


def test_axe_does_find_violations(page) -> None:
    page.set_content("<html><body><button></button><p style='color: #ddd; background: #fff'>pale</p></body></html>")
    assert {each["id"] for each in Axe().run(page).response["violations"]} >= {"button-name", "color-contrast"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [360, 1300])
def test_the_page_does_not_scroll_sideways(pages, page, name, width) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_scripts_in_texts_stay_texts(pages, page) -> None:
    page.goto(pages["hostile"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.locator("script").count() == 1
    assert page.locator("img, a[href^='javascript'], iframe").count() == 0
    shown = page.locator("body").inner_text()
    for what in ("verdict", "ended", "reason", "critique", "title", "body", "why", "dropped", "edit", "number"):
        assert f"{what} {ATTACK}" in shown or f"{what} <script>" in shown, what
    for section in ("settings", "examples", "spending", "prompts", "ledger", "records", "verdict"):
        assert MARKER in page.locator(f"section[aria-labelledby={section}]").inner_text(), section
    assert "{{ 7 * 7 }}" in shown
    assert "\x00" not in page.content()


def test_the_policy_lets_no_other_script_or_style_run(pages, page) -> None:
    page.goto(pages["one"].as_uri())
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.querySelector("h1").insertAdjacentHTML("beforeend", "<b style='color: red' onclick='1'>x</b>");
        }"""
    )
    assert page.evaluate("window.ran") is None
    assert len(page.errors) >= 2
    assert all("Content Security Policy" in error for error in page.errors)
    page.errors.clear()


def test_the_copy_button_copies_the_whole_prompt(pages, page, one) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(pages["one"].as_uri())
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == one.best_prompts["solve"]
    page.get_by_role("button", name="Copy", exact=True).wait_for(timeout=PATIENCE * 1000)


def test_the_copy_button_works_without_the_clipboard_interface(pages, page, two) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(pages["two"].as_uri())
    changed = page.locator("button.copy").first
    changed.click()
    page.get_by_role("button", name="Copied").wait_for()


def test_the_keyboard_reaches_every_control_and_follows_links_into_what_is_folded(pages, page) -> None:
    page.goto(pages["two"].as_uri())
    controls = page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary, select, input, [tabindex='0']")]
            .filter(each => each.checkVisibility()).length"""
    )
    seen = set()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    for _ in range(controls):
        name = page.evaluate(
            "(() => { const a = document.activeElement; a.dataset.seen ||= String(Math.random()); "
            "return a.tagName + a.dataset.seen; })()"
        )
        seen.add(name)
        page.keyboard.press("Tab")
    assert len(seen) == controls
    link = page.locator("a[href^='#example-']").first
    target = link.get_attribute("href")
    assert not page.evaluate("(id) => document.querySelector(id).open", target)
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("(id) => document.querySelector(id).open", arg=target)


def test_every_link_leads_somewhere_on_the_page(pages, page) -> None:
    for name in NAMES:
        page.goto(pages[name].as_uri())
        broken = page.evaluate(
            """() => [...document.querySelectorAll("a")].map(each => each.getAttribute("href"))
                .filter(href => !href.startsWith("#") || !document.getElementById(href.slice(1)))"""
        )
        assert broken == []
        repeated = page.evaluate(
            """() => { const ids = [...document.querySelectorAll("[id]")].map(each => each.id);
                return ids.filter((id, n) => ids.indexOf(id) !== n); }"""
        )
        assert repeated == []


def test_refused_records_are_folded_and_the_buttons_open_and_close_them(pages, page, one) -> None:
    page.goto(pages["one"].as_uri())
    opened = page.locator("details.record[open]")
    refused = sum(record.kind in ("step", "trial", "prune") and not record.accepted for record in one.history)
    assert refused
    assert opened.count() == len(one.history) - refused
    page.get_by_role("button", name="Open all").click()
    assert opened.count() == len(one.history)
    page.get_by_role("button", name="Close all").click()
    assert opened.count() == 0


def test_the_ledger_is_filtered(pages, page, two) -> None:
    page.goto(pages["two"].as_uri())
    rows = page.locator("#edits tbody tr:visible")
    assert rows.count() == len(two.ledger)
    page.get_by_label("Predictor").select_option("decide")
    assert rows.count() == sum(entry.edit.predictor == "decide" for entry in two.ledger)
    page.get_by_label("Outcome").select_option("kept")
    kept = [e for r in two.history if r.accepted for e in r.ledger if e.kept and e.edit.predictor == "decide"]
    assert rows.count() == len(kept)
    page.get_by_label("Text").fill("no such text")
    assert rows.count() == 0
    assert page.locator("#matches").inner_text() == f"0 of {len(two.ledger)} edits"


def test_without_scripts_all_is_there_and_no_dead_button_shows(pages, browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(pages["one"].as_uri())
    assert plain.locator("details.record").count() > 3
    assert plain.get_by_role("button", name=re.compile("Copy|Open|Close")).count() == 0
    context.close()


def test_it_prints_with_everything_open(pages, page) -> None:
    page.goto(pages["one"].as_uri())
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    assert page.pdf().startswith(b"%PDF")


def test_the_summary_of_a_notebook_runs_nothing_and_is_accessible(page, one, tmp_path) -> None:
    bad = hostile(one, tmp_path / "hostile")
    for result in (one, bad):
        for background, ink in (("#fff", "#000"), ("#111", "#eee")):
            html = result._repr_html_()
            page.set_content(
                f"<!doctype html><html lang=en><title>n</title><body style='background: {background}; color: {ink}'>"
                f"<main><h1>Notebook</h1>{html}</main></body></html>"
            )
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
    assert page.locator("script, img").count() == 0
    assert ATTACK in page.locator("body").inner_text()


def test_screenshots_are_made_where_they_are_asked_for(pages, page) -> None:
    """Set REPORT_SCREENSHOTS to a folder to look at them."""
    folder = os.environ.get("REPORT_SCREENSHOTS")
    for name in ("one", "hostile") if folder is None else NAMES:
        for width, scheme in ((1300, "light"), (390, "dark")):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(pages[name].as_uri())
            picture = page.screenshot(full_page=True)
            assert len(picture) > 50_000
            if folder:
                (Path(folder) / f"{name}-{width}-{scheme}.png").write_bytes(picture)
