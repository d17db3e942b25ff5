"""What operators do by the page: each action asks once, and is seen at once."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from redis_mob.models.config import PutIfRevision
from tests.ui.browser.conftest import OpenPage, Watched
from tests.ui.browser.places import settled
from tests.ui.browser.scene import Scene
from tests.ui.browser.served_page import ServedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def confirm(page: Page, button: str, verb: str) -> None:
    """Press a button, and say yes to what it asks."""
    await page.get_by_role("button", name=button).click()
    await page.get_by_role("dialog").get_by_role("button", name=verb).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_run_is_paused_resumed_canceled_and_deleted(
    open_page: OpenPage, served: ServedPage, watched: Watched
) -> None:
    """See contract: ui-45."""
    run_id = await served.started("release", wait=False)
    page = await open_page(f"#/runs/{run_id}")
    await settled(page)
    await confirm(page, "Pause…", "Pause the run")
    await expect(page.locator(".run-status")).to_contain_text("paused")
    await confirm(page, "Resume…", "Resume the run")
    await expect(page.locator(".run-status")).to_contain_text("running")
    await confirm(page, "Cancel…", "Cancel the run")
    await expect(page.locator(".run-status")).to_contain_text("canceled")
    watched.is_server_away = True  # what was on its way as the run went is told in the console
    await confirm(page, "Delete…", "Delete the run")
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    await expect(page.locator(".row", has_text=run_id[:8])).to_have_count(0)


async def test_a_signal_is_sent_with_a_form_of_its_schema(
    open_page: OpenPage, served: ServedPage, scene: Scene, watched: Watched
) -> None:
    """See contract: ui-45."""
    run_id = await served.started("release", wait=False)
    page = await open_page(f"#/runs/{run_id}")
    await expect(page.locator(".rows")).to_contain_text("wait")
    await expect(page.locator(".facts-steps")).to_have_text("11")  # one has completed, one waits
    await page.get_by_role("button", name="Signal…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Name")).to_have_value("released")
    await dialog.get_by_label("version").fill("0")
    watched.is_server_away = True  # the refusal is told in the console, too
    await dialog.evaluate("(one) => one.querySelector('form').noValidate = true")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("version")
    await dialog.get_by_label("version").fill("3")
    await dialog.get_by_label("note (optional)").fill("at last")
    await dialog.get_by_role("button", name="Send").click()
    await expect(page.locator(".run-status")).to_contain_text("completed")
    outputs = (await served.call(served.fleet.wait(run_id))).root_step_outputs
    assert outputs["wait"]["payload"] == {"version": 3, "note": "at last"}


async def test_an_ask_is_approved_with_another_value(open_page: OpenPage, served: ServedPage) -> None:
    """See contract: ui-45."""
    run_id = await served.started("review", {"paper": "another"}, wait=False)
    page = await open_page("#/inbox")
    card = page.locator(".ask", has=page.locator(f"a[href*='{run_id}']"))
    await card.get_by_role("button", name="Edit the value").click()
    await card.get_by_label("title").fill("Mobs that agree")
    await card.get_by_label("Message (optional)").fill("shorter")
    await card.get_by_role("button", name="Approve this value…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("region", name="Approved value")).to_contain_text("Mobs that agree")
    assert (await served.call(served.admin.describe(run_id))).status == "running"
    await dialog.get_by_role("button", name="Approve").click()
    await expect(card).to_have_count(0)
    run = await served.call(served.fleet.wait(run_id))
    assert run.root_step_outputs["approve"]["as"]["title"] == "Mobs that agree"


async def test_a_retry_from_a_step_begins_a_new_run(open_page: OpenPage, scene: Scene) -> None:
    """See contract: ui-45."""
    page = await open_page(f"#/runs/{scene.failed}?step=judge")
    await confirm(page, "Retry from here…", "Start the new run")
    await expect(page.locator(".facts")).to_contain_text("Forked from")
    await expect(page.locator(".run-id")).not_to_have_text(scene.failed)
    await expect(page.locator(".run-status")).to_contain_text("failed")


async def test_an_edit_that_comes_second_shows_both_versions(
    open_page: OpenPage, served: ServedPage, watched: Watched
) -> None:
    """See contract: ui-45."""
    config = served.storage.config
    await served.call(config.put("prompts", "shared", {"text": "first", "meta": {"revision": 1}}))
    page = await open_page("#/config/prompts/shared")
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Value, on revision 1").fill('{"text": "mine"}')
    theirs = {"text": "theirs", "meta": {"revision": 2}}
    await served.call(config.apply([PutIfRevision("prompts", "shared", theirs, 1)]))
    watched.is_server_away = True  # the conflict is told in the console, too
    await page.get_by_role("button", name="Write…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Write").click()
    conflict = page.get_by_role("alert", name="Conflict")
    await expect(conflict.get_by_role("region", name="Theirs", exact=True)).to_contain_text("theirs")
    await expect(conflict.get_by_role("region", name="Yours", exact=True)).to_contain_text("mine")
    await conflict.get_by_role("button", name="Write mine over it").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(".removed").first).to_contain_text("theirs")  # which is what is replaced
    await dialog.get_by_role("button", name="Write").click()
    await expect(page.get_by_role("region", name="Value", exact=True)).to_contain_text("mine")
    await page.get_by_role("button", name="revision 3").click()
    await expect(page.locator(".diff .removed").first).to_contain_text("theirs")


async def test_the_slider_shows_the_graph_as_it_was(open_page: OpenPage, scene: Scene) -> None:
    """See contract: ui-42."""
    page = await open_page(f"#/runs/{scene.failed}")
    await settled(page)
    judge = page.get_by_role("list", name="Steps").locator(".row", has_text="judge")
    await expect(judge).to_contain_text("failed")
    slider = page.get_by_role("slider")
    await slider.focus()
    await page.keyboard.press("Home")
    await expect(judge).to_contain_text("waiting")
    await expect(judge.locator(".figure").last).to_have_text("–")  # it has taken no time yet
    await expect(page.get_by_role("heading", name="Steps as they were")).to_be_visible()
    await page.get_by_role("link", name="Timeline").click()
    await expect(page.locator(".run-status")).to_have_text("failed")  # the slider moves the graph alone
    await page.get_by_role("link", name="Graph").click()
    await expect(page.locator(".run-status")).to_have_text("running")
    await slider.focus()
    await page.keyboard.press("End")
    await page.get_by_role("button", name="Now", exact=True).click()
    await expect(judge).to_contain_text("failed")
