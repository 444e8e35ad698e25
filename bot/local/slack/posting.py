"""Making messages out of what an app sent, and refusing what Slack would refuse."""

import json
from typing import Any

from bot.local.slack.block_kit import check_blocks, figures
from bot.local.slack.journal import Journal, Json, copied
from bot.local.slack.objects import Message
from bot.local.slack.workspace import Workspace

LONGEST_POST = 40_000
LONGEST_EDIT = 4_000
_LARGEST_METADATA = 8_000


class ApiError(Exception):
    """An error that the Web API answers instead of ok."""

    def __init__(self, error: str, *messages: str, **extra: Any) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = list(messages)
        self.extra = extra

    def as_json(self) -> Json:
        answer: Json = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            answer["response_metadata"] = {"messages": [f"[ERROR] {m}" for m in self.messages]}
            if self.error == "invalid_blocks":
                answer["errors"] = self.messages
        return answer


def decoded(args: Json, key: str, error: str) -> Any:
    """An argument that may come as JSON or as JSON in a string."""
    value = args.get(key)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise ApiError(error, f"{key} is not JSON [json-pointer:/{key}]") from None


class Posting:
    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self._workspace = workspace
        self._journal = journal

    def content(self, args: Json, what: str, *, longest: int = LONGEST_POST) -> Json:
        """text, blocks, attachments and metadata, checked; a key is there only if it was sent."""
        found: Json = {}
        if (blocks := decoded(args, "blocks", "invalid_blocks_format")) is not None:
            found["blocks"] = self._checked_blocks(blocks)
        if (attachments := decoded(args, "attachments", "invalid_attachments")) is not None:
            found["attachments"] = self._checked_attachments(attachments)
        if args.get("metadata") is not None:
            found["metadata"] = self._checked_metadata(args)
        text = args.get("text") if args.get("text") is not None else args.get("markdown_text")
        if text is not None:
            if not isinstance(text, str):
                raise ApiError("invalid_arguments", "must be a string [json-pointer:/text]")
            if longest < LONGEST_POST and len(text) > longest:
                raise ApiError("msg_too_long")
            found["text"] = text[:LONGEST_POST]
        if not any(found.get(key) for key in ("text", "blocks", "attachments")):
            raise ApiError("no_text")
        if not found.get("text") and (found.get("blocks") or found.get("attachments")):
            self._journal.warn("missing_text", f"{what} has no top-level text, which phones and screen readers use")
        return found

    @staticmethod
    def _checked_blocks(blocks: Any) -> list[Json]:
        if not isinstance(blocks, list):
            raise ApiError("invalid_blocks_format")
        if complaints := check_blocks(blocks):
            raise ApiError("invalid_blocks", *complaints)
        checked: list[Json] = copied(blocks)
        return checked

    @staticmethod
    def _checked_attachments(attachments: Any) -> list[Json]:
        if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
            raise ApiError("invalid_attachments")
        if len(attachments) > figures()["attachments"]:
            raise ApiError("too_many_attachments")
        complaints = [
            complaint
            for index, item in enumerate(attachments)
            if "blocks" in item
            for complaint in check_blocks(item["blocks"], f"/attachments/{index}/blocks")
        ]
        if complaints:
            raise ApiError("invalid_blocks", *complaints)
        checked: list[Json] = copied(attachments)
        return checked

    @staticmethod
    def _checked_metadata(args: Json) -> Json:
        metadata = decoded(args, "metadata", "invalid_metadata_format")
        if not isinstance(metadata, dict) or not {"event_type", "event_payload"} <= metadata.keys():
            raise ApiError("invalid_metadata_format")
        if len(json.dumps(metadata)) > _LARGEST_METADATA:
            raise ApiError("metadata_too_large")
        return metadata

    def compose(
        self, content: Json, channel: str, *, ephemeral_to: str | None = None, thread_ts: str | None = None
    ) -> Message:
        """A message of the app with its own ts, not yet shown to anybody."""
        place = self._workspace
        blocks = copied(content.get("blocks") or [])
        place.name_blocks(blocks)
        return Message(
            channel=channel,
            ts=place.next_ts(channel),
            user=place.bot_user,
            text=content.get("text", ""),
            blocks=blocks,
            attachments=content.get("attachments") or [],
            metadata=content.get("metadata"),
            bot_id=place.bot_id,
            app_id=place.app_id,
            team_id=place.team_id,
            thread_ts=thread_ts,
            ephemeral_to=ephemeral_to,
        )

    def edit(self, message: Message, content: Json) -> None:
        """Blocks and attachments that were not sent stay."""
        if "text" in content:
            message.text = content["text"]
        if "blocks" in content:
            blocks = copied(content["blocks"])
            self._workspace.name_blocks(blocks)
            message.blocks = blocks
            message.state = {}
        if "attachments" in content:
            message.attachments = content["attachments"]
        if "metadata" in content:
            message.metadata = content["metadata"]
