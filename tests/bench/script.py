"""The afternoon script: the shortest honest bot for the same job, plain Bolt as its manual begins, httpx, no database.

It is what the bot is compared with. It forgets everything when it ends, asks nobody who somebody is, and loses a token whose
message Slack refuses.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

Json = dict[str, Any]
WEEK = 7 * 86400
CONFIG = yaml.safe_load(Path(sys.argv[1]).read_text()) if __name__ == "__main__" else {}
UNLIMITED = dict.fromkeys(("allowance", "rate", "per", "quota_max", "quota_renews", "quota_remaining"), -1)


def modal() -> Json:
    options = [{"text": {"type": "plain_text", "text": name}, "value": name} for name in CONFIG["apis"]]
    select = {"type": "static_select", "action_id": "api", "options": options}
    reason = {"type": "plain_text_input", "action_id": "reason"}
    return {
        "type": "modal",
        "callback_id": "request",
        "title": {"type": "plain_text", "text": "Request a token"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {"type": "input", "block_id": "api", "label": {"type": "plain_text", "text": "API"}, "element": select},
            {"type": "input", "block_id": "reason", "label": {"type": "plain_text", "text": "Why"}, "element": reason},
        ],
    }


def card(text: str, value: str | None) -> list[Json]:
    said: Json = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    approve = {"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"}}
    return [said, {"type": "actions", "elements": [approve | {"value": value}]}] if value else [said]


def main() -> None:
    client = WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    headers = {"authorization": os.environ["TYK_DASHBOARD_KEY"]}
    tyk = httpx.Client(base_url=os.environ["TYK_DASHBOARD_URL"], headers=headers, timeout=60)
    app = App(client=client)

    def grant(user: str, name: str) -> None:
        api_id = CONFIG["apis"][name]["api_id"]
        rights = {api_id: {"api_id": api_id, "api_name": name, "versions": ["Default"]}}
        key = {"expires": int(time.time()) + WEEK, "quota_renewal_rate": 0, "access_rights": rights, "meta_data": {}}
        answer = tyk.post("/api/keys", json=UNLIMITED | key)
        token = answer.raise_for_status().json()["key_id"]
        client.chat_postMessage(channel=user, text=f"Your token for {name}: `{token}`")

    @app.command(CONFIG["slack"]["command"])
    def opens(ack: Any, body: Json) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal())

    @app.view("request")
    def submitted(ack: Any, body: Json) -> None:
        ack()
        user = body["user"]["id"]
        name = body["view"]["state"]["values"]["api"]["api"]["selected_option"]["value"]
        if CONFIG["apis"][name]["approvals"] == 0:
            grant(user, name)
            return
        text = f"<@{user}> asks for {name}"
        channel = CONFIG["slack"]["approvals_channel"]
        client.chat_postMessage(channel=channel, text=text, blocks=card(text, f"{user} {name}"))

    @app.action("approve")
    def approved(ack: Any, body: Json) -> None:
        ack()
        text = f"{body['message']['text']}: approved by <@{body['user']['id']}>"
        grant(*body["actions"][0]["value"].split())
        place = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        client.chat_update(text=text, blocks=card(text, None), **place)

    SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).connect()  # type: ignore[no-untyped-call]  # Bolt gives it no type
    sys.stderr.write('"bot.ready"\n')
    threading.Event().wait()


if __name__ == "__main__":
    main()
