"""Station 9: an incident as a message (`message`, pure; `text` makes hostile text harmless), and Slack's answers (`client`)."""
