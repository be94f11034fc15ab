"""The real program, as a process of its own, against the sandbox's portal and Slack over sockets."""
