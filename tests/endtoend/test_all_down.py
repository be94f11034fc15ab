"""Several portals that go down at once: one message names them, one takes it back; they share their connections."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.endtoend.world import world


async def test_when_every_key_is_rejected_at_once_one_message_names_all_portals(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        portals = [
            {"name": f"office-{number}", "url": "${DOCSPACE_URL}", "api_key": "${DOCSPACE_API_KEY}", "poll": "2s"}
            for number in range(8)
        ]
        office.configure(portals=portals)
        await office.start()
        await office.first_told()
        key = office.portal.key
        office.portal.put_key(msgspec.structs.replace(key, active=False))
        told = await office.told("API key rejected")
        assert "8 portals" in told.text
        assert all(f"office-{number}" in told.text for number in range(8))
        office.portal.put_key(key)
        await office.told("Over: API key rejected")
        assert len([one for one in office.slack.messages if "API key rejected" in one.text]) == 2
