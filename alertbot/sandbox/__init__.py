"""A portal and a Slack on this machine, faithful to the real ones, for the demo, for tests, and for trying rules.

clock       the sandbox's time, as fast as it is told
intake      files and rows by hand                        → Row, Member
ledger      what is recorded, and what a page of it holds
envelope    rows as the portal writes them
limits      how many requests a user may make
faults      what goes wrong on request
holdings    all that the portal holds
control     orders over HTTP
portal      what the portal answers
slack       a Slack, its channels as a web page
server      both of them, on loopback
cast        the office's people          office   their ordinary life
attack      what goes wrong              story    all of it, with the truth of what was played
play        a portal that plays the story, or files
"""
