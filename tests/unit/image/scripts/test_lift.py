"""lift.sh: the entrypoint of a workspace below the build context is where every image has it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.image.scripts.conftest import EARLIEST, Builder, write


def test_the_entrypoint_moves_up_and_scripts_stay(builder: Builder, tmp_path: Path) -> None:
    top = tmp_path / "image/entrypoint"
    write(top / "app/services/api/entrypoint.sh", "#!/bin/bash\n", 0o755)
    write(top / "app/services/api/up.sh", "export UP=yes\n")
    done = builder.run("lift.sh", "/app/services/api", "/app", str(tmp_path / "image"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    files = {str(path.relative_to(top)): path.stat() for path in sorted(top.rglob("*"))}
    assert set(files) == {"app", "app/entrypoint.sh", "app/services", "app/services/api", "app/services/api/up.sh"}
    assert {int(status.st_mtime) for status in files.values()} == {EARLIEST}
    assert files["app/entrypoint.sh"].st_mode & 0o777 == 0o755
