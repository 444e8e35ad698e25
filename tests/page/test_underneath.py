"""What happens underneath, as a person reads it, and that no token is anywhere but in the one message."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
from playwright.async_api import expect

from tests.page import APP, Scene, Window, as_json, staged


async def _whole_story(scene: Scene) -> Window:
    window = await scene.window("alice")
    await window.asks("Payments")
    await window.be("bob")
    await window.go("approvals")
    await window.button("Approve R-1001").click()
    await window.be("alice")
    await window.go(APP)
    await expect(window.message("your token for Payments")).to_be_visible()
    return window


async def test_the_timeline_tells_the_story_in_order(tmp_path: Path) -> None:
    """A group for each thing a person did; in it a row for each act, with its call, the answer and the audit line in it."""
    async with staged(tmp_path) as scene:
        window = await _whole_story(scene)
        timeline = await window.underneath("Timeline")
        titles = timeline.locator(".group .title")
        for title in (
            "Alice Adams runs /tyk-key",
            "Alice Adams presses “Send request”",
            "Bob Brown presses “Approve”",
        ):
            await expect(titles.filter(has_text=title)).to_have_count(1)
        asking = timeline.locator(".group", has_text="Alice Adams runs /tyk-key")
        await expect(asking.locator(".line", has_text="command /tyk-key")).to_contain_text("acknowledged")
        await expect(asking.locator(".line .line", has_text="views.open “Request a token”")).to_contain_text(" ms")
        approving = timeline.locator(".group", has_text="Bob Brown presses “Approve”")
        await expect(approving.locator(".sum")).to_contain_text("R-1001 · ")
        issuing = approving.locator(".lines > .line", has_text="issue key")
        await expect(issuing.locator(".of").first).to_have_text(re.compile(r"POST /api/keys, audit #\d+"))
        await expect(issuing.locator(".line", has_text="POST /api/keys")).to_be_hidden()
        await approving.locator("summary").first.click()
        await issuing.locator("summary").first.click()
        await expect(issuing.locator(".line", has_text="POST /api/keys")).to_contain_text("200")
        await expect(issuing.locator(".line", has_text="key created")).to_be_visible()
        pressing = approving.locator(".lines > .line", has_text="action")
        await expect(pressing.locator(".line", has_text="approved · by Bob Brown")).to_contain_text("R-1001")
        await expect(approving.locator(".lines > .line", has_text="deliver token")).to_contain_text("kept")
        await timeline.get_by_role("button", name="Tyk").click()
        await expect(asking).to_be_hidden()
        await expect(approving).to_be_visible()


async def test_one_request_is_followed_from_the_command_to_the_key(tmp_path: Path) -> None:
    """What is of R-1001 alone, also the form in which it had no number yet; another's steps are not there."""
    async with staged(tmp_path) as scene:
        window = await _whole_story(scene)
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".line", has_text="hide token")).to_have_count(1)
        await expect(timeline.locator(".line", has_text="verify key")).to_contain_text("kept")
        await scene.world.told("sent")  # what is done later of R-1001 would stand in the group of what Dave does then
        await window.be("dave")
        await window.asks("Ledger", plan=None)
        groups = timeline.locator(".group:not([hidden]) .title")
        picker = timeline.get_by_role("combobox", name="Request")
        await expect(picker.get_by_role("option")).to_have_text(["All requests", "R-1001", "R-1002"])
        await picker.select_option("R-1001")
        await expect(groups.filter(has_text="Alice Adams runs /tyk-key")).to_have_count(1)
        await expect(groups.filter(has_text="Bob Brown presses “Approve”")).to_have_count(1)
        await expect(groups.filter(has_text="Dave Diaz runs")).to_have_count(0)
        await expect(timeline.locator(".line:not([hidden])", has_text="R-1002")).to_have_count(0)
        await expect(groups.filter(has_text="The bot starts")).to_have_count(0)
        await timeline.get_by_role("button", name="Tyk").click()
        await expect(groups).to_have_text(["Bob Brown presses “Approve”"])
        call = timeline.locator(".line:not([hidden])", has_text="PUT /api/keys/").last
        await expect(call, "it names the key alone").to_be_attached()
        await timeline.get_by_role("button", name="All").click()
        await picker.select_option("R-1002")
        await expect(groups.filter(has_text="Dave Diaz runs /tyk-key")).to_have_count(1)
        await expect(groups.filter(has_text="Alice Adams runs")).to_have_count(0)


async def test_no_token_is_shown_but_in_the_one_message(tmp_path: Path) -> None:
    """Every line of the timeline opened, the keys, another person's view: all of it without the token."""
    async with staged(tmp_path) as scene:
        window = await _whole_story(scene)
        token = scene.tyk.keys[0].token
        timeline = await window.underneath("Timeline")
        lines = timeline.locator("details.line")
        for act in ("deliver token", "verify key"):
            await expect(lines.filter(has_text=act)).to_contain_text("kept")
        for group in await timeline.locator(".group > summary").all():
            await group.click()
        for shown in await lines.evaluate_all("(lines) => lines.map((line) => line.dataset.line)"):
            line = timeline.locator(f'[data-line="{shown}"]')
            await line.locator("> summary").click()
            await expect(line.locator("> pre")).not_to_be_empty()
        everything = await window.page.content()
        for secret in (token, scene.tyk.credential, scene.slack.bot_token, scene.slack.app_token):
            assert everything.count(secret) == (1 if secret == token else 0)
        assert await window.message("your token for Payments").locator("pre").first.text_content() == token
        updates = await lines.locator("details.line", has_text="chat.update → Alice Adams").all_text_contents()
        assert any("••••••••" in update for update in updates), "where it went by, it is masked"
        await window.be("bob")
        await expect(window.page.locator("#where")).to_have_text("# approvals")
        assert token not in await window.page.content()
        assert token not in await _stream(scene, "carol")


async def _stream(scene: Scene, name: str) -> str:
    """The first event that this person's window gets: everything there is for them."""
    async with aiohttp.ClientSession() as session, session.get(f"{scene.url}events?as={name}") as response:
        return (await response.content.readuntil(b"\n\n")).decode()


async def test_a_key_is_tried_without_its_token_leaving_the_server(tmp_path: Path) -> None:
    """200 while it lives; the answer that the page gets names no token."""
    async with staged(tmp_path) as scene:
        window = await _whole_story(scene)
        keys = await window.underneath("Keys")
        await expect(keys.locator("section")).to_contain_text("R-1001")
        async with window.page.expect_response("**/try") as answered:
            await keys.get_by_role("button", name="Try it: GET /payments/").click()
        await expect(keys.locator(".answer")).to_contain_text('200 {"method":"GET","path":"/payments/"')
        assert scene.tyk.keys[0].token not in as_json(await (await answered.value).json())


async def test_a_key_without_an_end_says_so(tmp_path: Path) -> None:
    """What Tyk holds as -1 or 0 is no date in 1970."""
    async with staged(tmp_path) as scene:
        api = next(iter(scene.tyk.apis.values()))
        for expires in (-1, 0):
            rights = {api.api_id: {"api_id": api.api_id}}
            scene.tyk.make_by_hand({"access_rights": rights, "expires": expires, "quota_renewal_rate": 60})
        window = await scene.window("alice")
        keys = await window.underneath("Keys")
        await expect(keys.locator("dd", has_text="Doesn't expire")).to_have_count(2)
        await expect(keys).not_to_contain_text("1970")


async def test_somebody_is_at_the_keys_in_the_dashboard(tmp_path: Path) -> None:
    """A key is changed and then deleted at Tyk, and the bot hears of neither."""
    async with staged(tmp_path) as scene:
        window = await _whole_story(scene)
        timeline = await window.underneath("Timeline")
        verifying = timeline.locator(".lines > .line", has_text="verify key")
        await expect(verifying, "what is changed before would be revoked").to_contain_text("kept")
        keys = await window.underneath("Keys")
        await keys.get_by_role("button", name="Change its rate in the Dashboard").click()
        await expect(keys.locator("section")).to_contain_text("1,000,000 calls per second")
        await keys.get_by_role("button", name="Delete it in the Dashboard").click()
        await expect(keys.locator(".state")).to_have_text("deleted")
        await expect(keys.get_by_role("button", name="Delete it")).to_have_count(0)
        assert scene.tyk.usable_keys() == []
        timeline = await window.underneath("Timeline")
        await expect(timeline).to_contain_text("somebody deletes the key")


async def test_what_slack_objects_to_is_shown_with_the_pointer_to_the_field(tmp_path: Path) -> None:
    """A block that Slack would refuse: the count beside the panel, and the line that says where."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        headers = {"Authorization": f"Bearer {scene.slack.bot_token}"}
        wrong = {"channel": "C0HELP", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "*No*"}}]}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{scene.slack.url}chat.postMessage", json=wrong) as answer,
        ):
            assert (await answer.json())["error"] == "invalid_blocks"
        await expect(window.page.locator("#objections")).to_have_text("1")
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".line", has_text="Slack objects")).to_contain_text(
            "[json-pointer:/blocks/0/text"
        )
