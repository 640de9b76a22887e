"""Listeners of a run, one file each: what is shown or written elsewhere while it trains."""

from s4former.engine.callbacks.base import CALLBACKS as CALLBACKS
from s4former.engine.callbacks.base import Callback, CallbackConfig, CallbackField, Callbacks, panel_path

__all__ = ["CALLBACKS", "Callback", "CallbackConfig", "CallbackField", "Callbacks", "panel_path"]
