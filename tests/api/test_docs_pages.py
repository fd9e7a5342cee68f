"""/docs and /redoc in a real browser that may reach nothing but the service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

PATIENCE_MS = 60_000
"""A page of every route takes seconds to draw where other tests run beside."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def outside() -> list[str]:
    """Requests to anywhere but the service; all of them were blocked."""
    return []


@pytest.fixture(scope="module")
def new_page(browser: Browser, address: str, outside: list[str]) -> Callable[[str], Page]:
    """A page of the service in the browser."""
    expect.set_options(timeout=PATIENCE_MS)

    def guard(route: Route) -> None:
        url = route.request.url
        if url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(url)
            route.abort()

    def opened(path: str) -> Page:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.route("**/*", guard)
        page.goto(f"{address}{path}")
        return page

    return opened


@pytest.fixture(scope="module")
def docs(new_page: Callable[[str], Page]) -> Page:
    return new_page("/docs")


def test_the_docs_page_shows_every_operation_without_internet(docs: Page, address: str, outside: list[str]):
    operations = [operation for path in httpx.get(f"{address}/openapi.json").json()["paths"].values() for operation in path.values()]

    expect(docs.locator(".opblock")).to_have_count(len(operations))
    for operation in operations:
        expect(docs.get_by_text(operation["summary"], exact=True)).to_be_visible()
    assert outside == []


def test_an_example_can_be_tried_out_on_the_docs_page(docs: Page, outside: list[str]):
    docs.locator(".opblock", has_text="Suggest the next words").first.locator(".opblock-summary-control").click()
    docs.get_by_role("button", name="Execute").click()

    answer = docs.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer.locator("pre").first).to_contain_text("suggestions")
    assert outside == []


def test_redoc_shows_every_group_without_internet(new_page: Callable[[str], Page], outside: list[str]):
    page = new_page("/redoc")

    for heading in ("Ask", "Models", "Open Inference Protocol", "Health", "Forecast series", "Measures for Prometheus"):
        expect(page.locator("h2", has_text=heading).first).to_be_visible()
    assert outside == []
