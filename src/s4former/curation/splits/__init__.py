"""Published split lists, and making and checking of one's own."""
