"""The OpenAPI document is kept: schemathesis makes requests from it and looks at the answers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes
CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


@pytest.mark.time_limit(240)
def test_no_request_made_from_the_document_breaks_it(site: Site, tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or shutil.which("schemathesis")
    assert program is not None, "schemathesis is in requirements-dev"
    found = subprocess.run(
        [program, "run", f"{site.url}/api/v1/openapi.json", "-H", f"X-API-Key: {site.ready['api_key']}", "-n", "12",
         "--seed", "1", "--continue-on-failure", "--checks", CHECKS],
        capture_output=True, text=True, timeout=220, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-6000:]
    document = site.api.get("/openapi.json")
    assert f"{sum(len(verbs) for verbs in document['paths'].values())} selected" in found.stdout
