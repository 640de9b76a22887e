"""Tables and pictures of finished runs; reads what the engine wrote, and never imports it."""
