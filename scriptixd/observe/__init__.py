"""Being seen: what the daemon tells systemd, the journal, and whoever asks for its status."""
