"""Reaches contacts: renders what was decided and delivers it. `delivery` says which way it goes."""

from typing import Final

from engine.fold.webhook import WEBHOOK

KNOWN_CHANNELS: Final = {
    "email": "an e-mail to the contact's attribute `email`",
    "sms": "a text message to a phone",
    "push": "a notification of an app on a phone",
    "web_push": "a notification of a browser, also while the shop is closed",
    "in_app": "a message inside an app, while it is open",
    "inbox": "a message kept in the app's or the shop's own inbox",
    "web": "content on the shop's own pages",
    "ads": "a place in an audience of an advertising network",
}
"""What a journey may send on, and what each means."""

SERVED_CHANNELS: Final = (*KNOWN_CHANNELS, WEBHOOK)
"""What a courier pulls for: a webhook is no message to the contact, and goes the same way."""
