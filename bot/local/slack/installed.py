"""The app as its manifest makes it for people: its name, its tabs, its commands, its shortcuts, the events it is told."""

from dataclasses import dataclass

from bot.local.slack.journal import Json

GLOBAL, MESSAGE = "global", "message"


@dataclass(frozen=True)
class Shortcut:
    """An entry of the menu beside every composer (`global`) or of the menu of a message (`message`)."""

    name: str
    type: str
    callback_id: str
    description: str = ""


@dataclass(frozen=True)
class Installed:
    """The part of a manifest that people meet. A tab that the manifest does not name is off, as at Slack. `escaping` are the
    commands that get people and channels by their ids."""

    name: str
    home_tab: bool
    dm_is_read_only: bool
    commands: frozenset[str]
    escaping: frozenset[str]
    shortcuts: tuple[Shortcut, ...]
    events: frozenset[str]

    @classmethod
    def of(cls, manifest: Json) -> "Installed":
        features, settings = manifest.get("features") or {}, manifest.get("settings") or {}
        tabs = features.get("app_home") or {}
        listed, commands = features.get("shortcuts") or [], features.get("slash_commands") or []
        return cls(
            name=manifest["display_information"]["name"],
            home_tab=bool(tabs.get("home_tab_enabled")),
            dm_is_read_only=bool(tabs.get("messages_tab_read_only_enabled")),
            commands=frozenset(one["command"] for one in commands),
            escaping=frozenset(one["command"] for one in commands if one.get("should_escape")),
            shortcuts=tuple(
                Shortcut(one["name"], one["type"], one["callback_id"], one["description"]) for one in listed
            ),
            events=frozenset((settings.get("event_subscriptions") or {}).get("bot_events") or []),
        )
