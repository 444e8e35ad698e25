"""What is new: in sight where the reader was at the end, else marked; and a focus that stays where it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.local.slack import Message
from tests.page import APP, Scene, Window, staged


async def _says(scene: Scene, name: str, text: str, room: str = "C0HELP") -> None:
    await scene.slack.person(name).says(text, room)


async def _filled(scene: Scene) -> Window:
    """#help with more than fits into the window, Alice at its end."""
    for number in range(40):
        await _says(scene, "bob", f"line {number}")
    window = await scene.window("alice", room="C0HELP")
    await expect(window.message("line 39")).to_be_in_viewport()
    return window


async def test_what_is_new_is_in_sight_for_who_was_at_the_end(tmp_path: Path) -> None:
    """The conversation scrolls along."""
    async with staged(tmp_path) as scene:
        window = await _filled(scene)
        await _says(scene, "bob", "the newest")
        await expect(window.message("the newest")).to_be_in_viewport()
        await expect(window.page.locator("#newer")).to_be_hidden()


async def test_who_reads_further_up_stays_there_and_is_told(tmp_path: Path) -> None:
    """Nothing moves under her eyes; the button leads to the end, and goes."""
    async with staged(tmp_path) as scene:
        window = await _filled(scene)
        await window.page.locator("#log").evaluate("(log) => (log.scrollTop = 0)")
        await expect(window.message("line 0")).to_be_in_viewport()
        await _says(scene, "bob", "the newest")
        newer = window.button("New messages")
        await expect(newer).to_be_visible()
        await expect(window.page.locator("article").first).to_be_in_viewport()
        await newer.click()
        await expect(window.message("the newest")).to_be_in_viewport()
        await expect(newer).to_be_hidden()
        await expect(window.page.locator("#log")).to_be_focused()


async def test_a_reply_further_up_is_led_to(tmp_path: Path) -> None:
    """A thread grows where it stands; who is at the end of the conversation would not see it."""
    async with staged(tmp_path) as scene:
        window = await _filled(scene)
        first = scene.slack.workspace.posts["C0HELP"][0]
        place = scene.slack.workspace
        reply = Message("C0HELP", place.next_ts("C0HELP"), "U0BOB", "an answer", thread_ts=first.ts)
        place.post(reply)
        newer = window.button("New messages")
        await expect(newer).to_be_visible()
        await expect(window.message("line 39")).to_be_in_viewport()
        await newer.click()
        await expect(window.page.locator(".thread article")).to_be_in_viewport()
        await expect(newer).to_be_hidden()


async def test_marks_say_who_and_which_conversation_has_something_new(tmp_path: Path) -> None:
    """A number where a phone rang, a dot where something was only written; both go when it is read."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        people, rooms = window.page.locator("#people"), window.page.locator("#rooms")
        dave, help_room = people.locator('[data-person="dave"]'), rooms.get_by_role("button", name="help")
        await expect(dave.locator(".mark, .badge")).to_have_count(0)
        await _says(scene, "bob", "good morning")
        await expect(dave.locator(".mark")).to_have_count(1)
        await expect(help_room.locator(".mark")).to_have_count(1)
        await _says(scene, "bob", "<@U0DAVE> and <@U0ALICE>, look")
        await expect(dave.locator(".badge")).to_have_text("1 new")
        await expect(dave.locator(".mark")).to_have_count(0)
        await expect(help_room.locator(".badge")).to_have_text("1 unread for you")
        await window.go("help")
        await expect(help_room.locator(".mark, .badge")).to_have_count(0)
        await window.be("dave")
        await expect(window.page.locator("#where")).to_have_text("# help")
        await window.be("alice")
        await expect(dave.locator(".mark, .badge")).to_have_count(0)


async def test_the_composer_has_the_focus_when_a_conversation_is_opened(tmp_path: Path) -> None:
    """One types at once; on a phone the keyboard does not jump up."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.go("help")
        await expect(window.composer).to_be_focused()
        phone = await scene.window("alice", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
        await phone.page.get_by_role("button", name="Channels").tap()
        await phone.go("help")
        await expect(phone.composer).not_to_be_focused()


async def test_the_focus_stays_where_it_was_when_something_changes(tmp_path: Path) -> None:
    """On the button of a message that is edited and drawn anew meanwhile."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.asks("Payments")
        await window.go(APP)
        withdraw = window.button("Withdraw R-1001")
        await withdraw.focus()
        place = scene.slack.workspace
        message = (
            place.dm("U0ALICE").id,
            await window.page.locator("article", has=withdraw).get_attribute("data-ts") or "",
        )
        shown = place.message(*message)
        assert shown is not None
        shown.edited = {"user": place.bot_user, "ts": "1.000001"}
        place.changed(shown)
        await expect(window.page.locator(".edited")).to_have_attribute("title", re.compile("1970"))
        await expect(withdraw).to_be_focused()


SIZES = [(1280, 800), (1024, 768), (390, 844)]


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_everybody_is_on_the_bar_and_no_badge_covers_anything(tmp_path: Path, width: int, height: int) -> None:
    """Whole at any width: nobody is cut off, names and marks stand beside each other."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice", viewport={"width": width, "height": height})
        await _says(scene, "bob", "<@U0DAVE> <@U0GWEN> look")
        await expect(window.page.locator("#people .badge")).to_have_count(2)
        await expect(window.page.locator("#people .mark")).to_have_count(1)
        for person in await window.page.locator("#people .person").all():
            await expect(person).to_be_in_viewport(ratio=1)
            assert await person.evaluate(_OVERLAPS) == []
        assert await window.page.locator("#cast").evaluate("(bar) => bar.scrollWidth <= bar.clientWidth")


_OVERLAPS = """(person) => {
  const boxes = [...person.querySelectorAll(".avatar, b, small, .badge, .mark")]
    .map((node) => [node.className || node.tagName, node.getBoundingClientRect()]).filter(([, box]) => box.width);
  const own = person.getBoundingClientRect();
  const apart = (one, other) => one.right <= other.left + 0.5 || one.bottom <= other.top + 0.5;
  return boxes.flatMap(([name, one], index) => [
    ...(one.right > own.right + 0.5 || one.left < own.left - 0.5 ? [`${name} sticks out`] : []),
    ...boxes.slice(index + 1).filter(([, other]) => !apart(one, other) && !apart(other, one))
      .map(([other]) => `${name} over ${other}`)]);
}"""
