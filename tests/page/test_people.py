"""What people see and do on the page: asking, deciding, being refused, searching, with the keyboard alone."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.page import APP, Window, staged


async def test_alice_asks_bob_approves_and_carol_reads_it_all(tmp_path: Path) -> None:
    """Three people, one window each: what one does, the others see without doing anything."""
    async with staged(tmp_path) as scene:
        alice, bob = await scene.window("alice"), await scene.window("bob", room="C0APPROVALS")
        carol = await scene.window("carol", room="C0AUDIT")
        await alice.types("/tyk-key")
        await alice.picks("API", "Payments")
        await expect(alice.modal).to_contain_text("@payments-leads needs to approve this.")
        await alice.modal.get_by_role("radio", name="standard").check()
        await alice.modal.get_by_role("radio", name="1 day").check()
        await alice.modal.get_by_role("textbox", name="Used by").fill("checkout")
        await alice.modal.get_by_role("textbox", name="Reason").fill("to test the new checkout")
        await expect(alice.modal.locator(".counter").last).to_have_text("24/500")
        await alice.button("Send request").click()
        await expect(alice.modal.get_by_role("heading", name="Request sent")).to_be_visible()
        await alice.modal.get_by_role("button", name="Close").last.click()

        card = bob.message("R-1001")
        await expect(card).to_contain_text("to test the new checkout")
        await bob.button("Approve R-1001").click()
        await expect(card).to_contain_text("Approved by @Bob Brown, today at")
        await expect(card.locator(".edited")).to_have_text("(edited)")
        await expect(bob.button("Approve R-1001")).to_have_count(0)

        await alice.go(APP)
        token_message = alice.message("your token for Payments")
        await expect(token_message).to_be_visible()
        await expect(token_message.locator("pre").first).to_have_text(scene.tyk.keys[0].token)
        await alice.button("I've saved it: the token of R-1001").click()
        await expect(alice.page.get_by_text("your token for Payments")).to_have_count(0)

        for event in ("asked", "reviewed", "approved", "key created", "sent", "hidden"):
            await expect(carol.page.locator("#log strong", has_text=event).first).to_be_visible()
        assert scene.slack.app_errors == []


async def test_a_denial_needs_a_reason_and_alice_reads_it(tmp_path: Path) -> None:
    """Bob must say why; his form says so on its field, and Alice gets the sentence."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.asks("Payments")
        await window.be("bob")
        await window.go("approvals")
        await window.button("Deny R-1001").click()
        await window.modal.get_by_role("button", name="Deny").click()
        await expect(window.modal.get_by_role("alert")).to_have_text("Please complete this required field.")
        reason = window.modal.get_by_role("textbox", name="Reason")
        await expect(reason).to_be_focused()
        await reason.fill("The test API will do.")
        await window.modal.get_by_role("button", name="Deny").click()
        await expect(window.modal).to_have_count(0)
        await expect(window.message("R-1001")).to_contain_text("Denied by @Bob Brown")
        await window.be("alice")
        await window.go(APP)
        await expect(window.message("was denied by")).to_contain_text("The test API will do.")


async def test_gwen_the_guest_is_refused_and_oscar_is_not_even_offered_the_command(tmp_path: Path) -> None:
    """A guest reads why not; somebody from another company has no such command."""
    async with staged(tmp_path) as scene:
        window = await scene.window("gwen")
        await window.go("help")
        await window.types("/tyk-key")
        await expect(window.modal).to_contain_text("Only for full members")
        await window.modal.get_by_role("button", name="Close").last.click()
        await window.be("oscar")
        await window.go("partners")
        await window.types("/tyk-key")
        await expect(window.page.locator(".trouble")).to_contain_text("slash commands are not offered")
        await expect(window.composer).to_have_value("/tyk-key")
        assert scene.tyk.keys == []


async def test_what_only_alice_sees_is_marked_so_and_is_not_there_for_bob(tmp_path: Path) -> None:
    """An ephemeral message is its reader's alone."""
    async with staged(tmp_path) as scene:
        alice, bob = await scene.window("alice", room="C0HELP"), await scene.window("bob", room="C0HELP")
        await alice.types("/tyk-key help")
        await expect(alice.message("Request a token:")).to_contain_text("Only visible to you")
        await alice.types("Does anybody know the *ledger*?")
        await expect(bob.message("Does anybody know").locator("strong")).to_have_text("ledger")
        await expect(bob.page.get_by_text("Request a token:")).to_have_count(0)


def _with_apis(text: str, count: int) -> str:
    entries = "".join(
        f"\n  svc-{n}:\n    api_id: svc{n}\n    title: Service {n}\n    requesters: [everyone]\n    approvals: 0\n"
        for n in range(count)
    )
    return text + entries


async def test_among_10_000_apis_alice_finds_hers_by_typing(tmp_path: Path) -> None:
    """An external select: what she types is searched for by the bot, and what she picks draws the rest of the form."""
    async with staged(tmp_path, lambda text: _with_apis(text, 10_000)) as scene:
        alice = await scene.window("alice")
        await alice.types("/tyk-key")
        box = alice.modal.get_by_role("combobox", name="API")
        await expect(box).to_be_visible(timeout=60_000)
        await box.press_sequentially("service")
        await expect(alice.modal.get_by_text("First 100 of 10,000. Type more to find the others.")).to_be_visible()
        await box.press_sequentially(" 4321")
        await expect(alice.modal.get_by_role("option")).to_contain_text(["Service 4321"])
        await box.press("Enter")
        await expect(box).to_have_value("Service 4321")
        await alice.modal.get_by_role("textbox", name="Reason").fill("to look around")
        await expect(alice.button("Get token")).to_be_visible()


async def test_a_link_into_slack_leads_there_on_the_page(tmp_path: Path) -> None:
    """The answer to the form leads to the app's conversation, and the page stays."""
    async with staged(tmp_path) as scene:
        alice = await scene.window("alice")
        await alice.sends("Payments")
        await alice.modal.get_by_role("link", name="Open our conversation").click()
        await expect(alice.message("R-1001 · Payments")).to_be_visible()


async def test_with_the_keyboard_alone(tmp_path: Path) -> None:
    """From the command to the decision without a pointer; the focus is never lost, and Escape closes."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        keyboard = window.page.keyboard
        await window.composer.focus()
        await keyboard.type("/tyk")
        await expect(window.page.get_by_role("option", name="/tyk-key request a token")).to_be_visible()
        await keyboard.press("Tab")
        await expect(window.composer).to_have_value("/tyk-key ")
        await keyboard.press("Enter")
        box = window.modal.get_by_role("combobox", name="API")
        await expect(box).to_be_focused()
        await keyboard.press("ArrowDown")
        await expect(window.option("Payments")).to_be_visible()
        await keyboard.press("Escape")
        await expect(window.modal.get_by_role("option")).to_have_count(0)
        await expect(window.modal).to_be_visible()
        await keyboard.type("pay")
        await keyboard.press("Enter")
        await expect(box).to_have_value("Payments")
        await expect(window.modal.get_by_role("radio", name="standard")).to_be_visible()
        await expect(box).to_be_focused()
        await _tab_to(window, "radio", "standard")
        await keyboard.press("Space")
        await _tab_to(window, "textbox", "Reason")
        await keyboard.type("by keyboard")
        await keyboard.press("Control+Enter")
        await expect(window.modal.get_by_role("heading", name="Request sent")).to_be_visible()
        await keyboard.press("Escape")
        await expect(window.modal).to_have_count(0)
        await expect(window.composer).to_be_focused()

        await _tab_to(window, "button", "Bob", back=True)
        await keyboard.press("Enter")
        await expect(window.page.locator("#where")).to_have_text("# approvals")
        await _tab_to(window, "button", "Approve R-1001")
        await keyboard.press("Enter")
        await expect(window.message("R-1001")).to_contain_text("Approved by")
        inside = await window.page.evaluate("document.querySelector('#log').contains(document.activeElement)")
        assert inside, "the focus stays with the message whose button has gone"


async def _tab_to(window: Window, role: str, name: str, *, back: bool = False) -> None:
    """Tab until this has the focus, which must be seen."""
    for _ in range(60):
        await window.page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = window.page.locator(":focus-visible")
        found = window.page.get_by_role(role, name=name).and_(focused)  # type: ignore[arg-type]  # roles are words here
        if await found.count():
            return
    raise AssertionError(f"Tab never reached the {role} {name!r}")
