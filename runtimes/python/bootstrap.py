"""Start the official runtime interface client with the service's import order:
the function, its layers, the client and SDK, the standard library."""

import os
import sys

site = "lib/python%d.%d/site-packages" % sys.version_info[:2]
first = [
    os.environ.get("LAMBDA_TASK_ROOT", "/var/task"),
    "/opt/python/" + site,
    "/opt/python",
    os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime"),
]
sys.path[:] = first + [p for p in sys.path if p not in first]

from awslambdaric.__main__ import main  # noqa: E402

main(sys.argv)
