"""The end of Ray's own servers is noticed, as nobody starts them again."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.own_ray import OwnRay


@pytest.mark.parametrize("needed", ["raylet", "gcs_server"])
def test_the_end_of_a_server_that_ray_needs_is_told(tmp_path: Path, needed: str) -> None:
    async def watch() -> OwnRay:
        ray = OwnRay()
        watching = asyncio.create_task(ray.ended())
        await asyncio.sleep(0)
        agent.kill()
        agent.wait()
        await asyncio.sleep(0.1)
        assert not watching.done(), "what Ray can do without"
        server.kill()
        with pytest.raises(OperatorError, match=f"Ray's {needed} has ended.*start again"):
            await watching
        return ray

    for name in (needed, "dashboard"):
        shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    with (
        subprocess.Popen([tmp_path / needed, "60"]) as server,
        subprocess.Popen([tmp_path / "dashboard", "60"]) as agent,
    ):
        assert asyncio.run(watch()).lost == needed
