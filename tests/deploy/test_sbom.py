"""deploy/sbom.sh makes a document that scanners read, of all packages it is given."""

import json
import subprocess

from harness.tools import DEPLOY

SCRIPT = str(DEPLOY / "sbom.sh")
LINES = (
    "libc6\t2.36-9+deb12u9\tamd64\tglibc\t2.36-9+deb12u9\tGNU Libc Maintainers <a@b.c>\n"
    'zlib1g\t1:1.2.13.dfsg-1\tamd64\tzlib\t1:1.2.13.dfsg-1\tSomebody "with" quotes\\ <a@b.c>\n'
)


def sbom(lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", SCRIPT, "--stdin", "0.1.0"], input=lines, capture_output=True, text=True)


def test_document_holds_every_package_with_its_url() -> None:
    result = sbom(LINES)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["metadata"]["component"]["version"] == "0.1.0"
    libc, zlib = document["components"]
    assert libc["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12"
    assert zlib["purl"] == "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64&distro=debian-12"
    assert zlib["supplier"]["name"] == 'Somebody "with" quotes\\ <a@b.c>'
    assert libc["properties"] == [{"name": "debian:source", "value": "glibc 2.36-9+deb12u9"}]
    assert len({one["bom-ref"] for one in document["components"]}) == 2


def test_nothing_read_is_an_error() -> None:
    assert sbom("").returncode != 0


def test_format_is_one_that_dpkg_knows() -> None:
    written = subprocess.run(["bash", SCRIPT, "--format"], capture_output=True, text=True, check=True).stdout
    packages = subprocess.run(["dpkg-query", "-W", "-f", written, "libc6", "bash"], capture_output=True, text=True)
    assert packages.returncode == 0, packages.stderr
    assert len(json.loads(sbom(packages.stdout).stdout)["components"]) == 2
