"""Rules that change while the program runs: in force without a restart, and a broken edit harms nothing."""

from __future__ import annotations

import os
from pathlib import Path

from tests.endtoend.world import RULES, World, world

STRICTER = RULES.replace("burst: {count: 3, within: 10m}", "burst: {count: 2, within: 10m}")
BROKEN = RULES.replace("burst: {count: 3, within: 10m}", "burst: {count: 1, within: 10m}")


def in_force(office: World) -> int:
    """How many versions of the guessing rule have been in force."""
    with office.store() as store:
        return len({version.version for version in store.rule_versions("main") if version.rule == "guessing"})


async def test_a_changed_rule_is_in_force_without_a_restart_and_judges_only_what_comes_then(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        await office.start()
        await office.first_told()
        office.fail("two@example.com", 2, ago=5)  # whole seconds: what comes next has a later date
        await office.until(office.is_settled, "the failures are not read")
        office.write_rules(STRICTER)
        await office.until(lambda: in_force(office) == 2, "the new version is not in force")
        office.fail("again@example.com", 2, ip="198.51.100.77")
        await office.told("again@example.com")
        assert office.about("two@example.com") == []
        office.fail("two@example.com", 1)
        await office.told("two@example.com")
        await office.settled()


async def test_a_new_rule_and_one_that_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        await office.start()
        await office.first_told()
        more = RULES + "---\ntitle: Somebody called Ben\nname: ben\ndetection: {entered: {outcome: success, name: Ben*}}\n"
        office.write_rules(more)
        await office.until(lambda: bool(office.logged("rules.changed")), "the new rule is not read")
        office.enter("ben@example.com")
        await office.told("Somebody called Ben")
        office.write_rules(RULES.replace("name: guessing", "name: guessing\nmode: off"))
        await office.until(lambda: len(office.logged("rules.changed")) == 2, "the change is not read")
        await office.settled()


async def test_a_broken_edit_is_told_with_its_place_and_the_rules_before_it_go_on(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        await office.start()
        await office.first_told()
        office.write_rules(BROKEN)
        await office.told("burst.count: must be at least 2")
        assert "rules.yml:7:" in office.about("burst.count: must be at least 2")[0].text
        with office.store() as store:
            assert "burst.count: must be at least 2" in (store.meta("rules.broken") or "")
        office.fail("still@example.com", 3)
        await office.told("still@example.com")
        office.write_rules(RULES)
        await office.told("The rules are right again")
        await office.settled()


async def test_a_swap_of_links_as_kubernetes_does_it_is_noticed(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        folder = office.folder / "rules"
        for name, text in (("..old", RULES), ("..new", STRICTER)):
            (folder / name).mkdir()
            (folder / name / "rules.yml").write_text(text, encoding="utf-8")
        (folder / "rules.yml").unlink()
        (folder / "..data").symlink_to("..old")
        (folder / "rules.yml").symlink_to("..data/rules.yml")
        await office.start()
        await office.first_told()
        (folder / "..next").symlink_to("..new")
        os.replace(folder / "..next", folder / "..data")
        await office.until(lambda: in_force(office) == 2, "the swap was not noticed")
        office.fail("swapped@example.com", 2)
        await office.told("swapped@example.com")
        await office.settled()
