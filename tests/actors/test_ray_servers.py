"""The end of Ray's servers is noticed, as nobody starts them again."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.ray_servers import RayServers


@pytest.mark.parametrize("needed", ["raylet", "gcs_server"])
def test_the_end_of_a_server_that_ray_needs_is_told(tmp_path: Path, needed: str) -> None:
    async def watch() -> RayServers:
        ray = RayServers()
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


def test_the_end_of_the_raylet_of_the_node_that_was_joined_is_told(tmp_path: Path) -> None:
    async def watch() -> None:
        ray = RayServers()
        ray.join(str(tmp_path / "raylet"))
        watching = asyncio.create_task(ray.ended())
        await asyncio.sleep(0.1)
        assert not watching.done()
        server.kill()
        with pytest.raises(OperatorError, match=r"raylet has ended.*start again where Ray runs"):
            await watching
        server.wait()
        with pytest.raises(OperatorError, match="raylet has ended"):  # It was gone before.
            await ray.ended()

    serve = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    program = f"{serve}; print(flush=True); s.accept(); s.accept()"
    command = [sys.executable, "-c", program, str(tmp_path / "raylet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        asyncio.run(watch())
