"""builder-variables.sh: what the builder image says of certificates and indexes reaches another image."""

from __future__ import annotations

import subprocess

from tests.unit.image.scripts.conftest import Builder, write

HOSTILE = 'it\'s $HOME `id` "x"\n#'


def test_variables_arrive_in_the_other_image(builder: Builder) -> None:
    certificate = write(builder.root / "etc/company.pem")
    (builder.root / "etc/link.pem").symlink_to(certificate)
    done = builder.run(
        "builder-variables.sh",
        *("/mnt/pixi", "SSL_CERT_FILE", "HTTP_TIMEOUT", "NETRC", "CURL_CA_BUNDLE"),
        SSL_CERT_FILE=str(builder.root / "etc/link.pem"),
        HTTP_TIMEOUT="90",
        NETRC="",
        PIP_INDEX_URL=HOSTILE,
        UV_HTTP_TIMEOUT="60",
        OTHER="no",
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.check_output(["bash", "-euc", f"{done.stdout}\nexec env -0"], env={}, text=True)
    variables = dict(entry.split("=", 1) for entry in shown.split("\0") if entry)
    assert {name: value for name, value in variables.items() if name not in {"PWD", "SHLVL", "_", "PATH"}} == {
        "SSL_CERT_FILE": f"/mnt/pixi{certificate}",
        "HTTP_TIMEOUT": "90",
        "PIP_INDEX_URL": HOSTILE,
        "UV_HTTP_TIMEOUT": "60",
    }
