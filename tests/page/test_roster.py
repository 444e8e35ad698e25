"""People who leave, become guests and come back, by a switch of the page, with what Slack tells the bot of it."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.page import Scene, Window, staged


def _told(scene: Scene) -> list[str]:
    return [entry.name for entry in scene.slack.journal.of("event")]


async def _administers(window: Window, act: str) -> None:
    panel = await window.underneath("Switches")
    await panel.get_by_role("button", name=act, exact=True).click()


async def _holds_a_token(scene: Scene) -> Window:
    window = await scene.window("alice")
    await window.asks("Payments")
    await window.be("bob")
    await window.go("approvals")
    await window.button("Approve R-1001").click()
    keys = await window.underneath("Keys")
    await expect(keys.locator(".state")).to_have_text("live")
    return window


async def test_alice_leaves_and_her_key_goes_after_her(tmp_path: Path) -> None:
    """She is signed out and struck from the bar, Slack tells it, her approvers are asked, and a day later the key is gone."""
    async with staged(tmp_path) as scene:
        window = await _holds_a_token(scene)
        await _administers(window, "Deactivate Alice Adams")
        alice = window.page.locator('[data-person="alice"]')
        await expect(alice).to_contain_text("deactivated")
        await expect(window.message("has left")).to_contain_text("R-1001")
        timeline = await window.underneath("Timeline")
        leaving = timeline.locator(".group", has_text="Alice Adams is deactivated")
        for event in ("user_change", "subteam_members_changed"):
            await expect(leaving.locator(".line", has_text=f"event {event}").first).to_contain_text("acknowledged")
        await window.be("alice")
        await expect(window.page.locator("#nowhere")).to_have_text(
            "Alice Adams is deactivated, so Slack has signed them out."
        )
        await expect(window.composer).to_be_hidden()
        await window.passes("A day passes")
        keys = await window.underneath("Keys")
        await expect(keys.locator(".state")).to_have_text("deleted")
        assert scene.slack.app_errors == []


async def test_dave_is_brought_back_into_his_groups_and_channels(tmp_path: Path) -> None:
    """Slack puts nobody back, so the administrator does, and the bot hears of each: Dave approves again."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        place = scene.slack.workspace
        dave, groups = place.user("dave").id, [one.handle for one in place.groups.values()]
        before = [handle for handle in groups if dave in place.group(handle).members]
        await _administers(window, "Deactivate Dave Diaz")
        await expect(window.button("Bring back Dave Diaz")).to_be_focused()
        assert not [handle for handle in groups if dave in place.group(handle).members]
        await _administers(window, "Bring back Dave Diaz")
        await expect(window.page.locator('[data-person="dave"]')).to_contain_text("asks, approves")
        assert [handle for handle in groups if dave in place.group(handle).members] == before
        assert _told(scene).count("user_change") == 2, "he left, and he came back"
        await window.asks("Payments")
        await window.be("dave")
        await window.go("approvals")
        await window.button("Approve R-1001").click()
        await expect(window.message("R-1001")).to_contain_text("Approved by @Dave Diaz")


async def test_alice_becomes_a_guest_and_a_member_again(tmp_path: Path) -> None:
    """The command refuses a guest, and her approvers are asked about her token; a member again, she may ask again."""
    async with staged(tmp_path) as scene:
        window = await _holds_a_token(scene)
        await _administers(window, "Make a guest of Alice Adams")
        await expect(window.page.locator('[data-person="alice"]')).to_contain_text("guest")
        await expect(window.message("has left")).to_be_visible()
        await window.be("alice")
        await window.types("/tyk-key")
        await expect(window.modal).to_contain_text("Only for full members")
        await window.modal.get_by_role("button", name="Close").last.click()
        await _administers(window, "Make a member of Alice Adams")
        await expect(window.page.locator('[data-person="alice"]')).to_contain_text("asks")
        await window.types("/tyk-key")
        await expect(window.modal.get_by_role("combobox", name="API")).to_be_visible()


async def test_who_is_of_another_company_is_not_ours_to_send_away(tmp_path: Path) -> None:
    """Oscar stands in no row; nobody can leave twice."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        panel = await window.underneath("Switches")
        await expect(panel.locator("[data-roster]")).to_have_count(5)
        await expect(panel.locator('[data-roster="oscar"]')).to_have_count(0)
