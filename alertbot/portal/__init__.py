"""Station 2: reading a portal: `client` asks once, `history` reads events page by page, `people` reads the directory."""
