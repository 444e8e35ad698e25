"""The rights that an interaction gives an app: one modal within 3 seconds, five messages within half an hour."""

import random
from dataclasses import dataclass

from bot.local.slack.journal import Clock, Journal, Json
from bot.local.slack.objects import Message
from bot.local.slack.posting import ApiError, Posting
from bot.local.slack.workspace import Workspace

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 30 * 60
RESPONSE_USES = 5


@dataclass
class Trigger:
    user: str
    issued: float
    view_id: str | None
    used: bool = False


class Triggers:
    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._issued: dict[str, Trigger] = {}

    def issue(self, user: str, view_id: str | None = None) -> str:
        rng = self._rng
        trigger_id = f"{rng.randrange(10**12)}.{rng.randrange(10**11)}.{rng.getrandbits(128):032x}"
        self._issued[trigger_id] = Trigger(user, self._clock(), view_id)
        return trigger_id

    def redeem(self, trigger_id: str) -> Trigger:
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if trigger.used:
            raise ApiError("exchanged_trigger_id")
        if self._clock() - trigger.issued > TRIGGER_SECONDS:
            raise ApiError("expired_trigger_id")
        trigger.used = True
        return trigger


@dataclass
class ResponseUrl:
    user: str
    channel: str
    issued: float
    message: Message | None = None
    uses: int = 0


class ResponseUrls:
    def __init__(
        self, workspace: Workspace, posting: Posting, journal: Journal, clock: Clock, rng: random.Random
    ) -> None:
        self._workspace = workspace
        self._posting = posting
        self._journal = journal
        self._clock = clock
        self._rng = rng
        self._issued: dict[str, ResponseUrl] = {}

    def issue(self, kind: str, user: str, channel: str, message: Message | None = None) -> str:
        """The path of a new response URL; `kind` is commands, actions, or app for a message shortcut."""
        token = f"{self._rng.getrandbits(96):024x}"
        self._issued[token] = ResponseUrl(user, channel, self._clock(), message)
        return f"/{kind}/{self._workspace.team_id}/{token}"

    def use(self, token: str, body: Json) -> None:
        """Post or update through a response URL. Raises where it is used up, too old or unknown."""
        target = self._issued.get(token)
        if target is None:
            raise ApiError("invalid_url")
        if self._clock() - target.issued > RESPONSE_SECONDS:
            raise ApiError("expired_url")
        if target.uses >= RESPONSE_USES:
            raise ApiError("used_url")
        target.uses += 1
        if body.get("delete_original"):
            self._delete(target, body)
        elif body.get("replace_original") and target.message is not None:
            self._replace(target.message, body)
        else:
            self.answer(target.user, target.channel, body, "an answer to a response_url")

    def answer(self, user: str, channel: str, body: Json, what: str) -> Message:
        """Shows an answer: to one person, or to all when it asks for that."""
        kind = body.get("response_type", "ephemeral")
        if kind not in ("ephemeral", "in_channel"):
            raise ApiError("invalid_arguments", "must be one of ephemeral, in_channel [json-pointer:/response_type]")
        content = self._posting.content(body, what)
        if kind == "in_channel":
            return self._workspace.post(self._posting.compose(content, channel))
        return self._workspace.show_ephemeral(self._posting.compose(content, channel, ephemeral_to=user))

    def _delete(self, target: ResponseUrl, body: Json) -> None:
        if any(body.get(key) for key in ("text", "blocks", "attachments", "replace_original")):
            raise ApiError("invalid_arguments", "delete_original stands alone [json-pointer:/delete_original]")
        if target.message is not None and not target.message.deleted:
            self._workspace.remove(target.message)

    def _replace(self, message: Message, body: Json) -> None:
        if message.deleted:
            raise ApiError("message_not_found")
        content = self._posting.content(body, "a replacement by response_url")
        content = {"text": "", "blocks": [], "attachments": [], **content}
        self._posting.edit(message, content)
        self._journal.write("edit", "response_url", channel=message.channel, ts=message.ts)
