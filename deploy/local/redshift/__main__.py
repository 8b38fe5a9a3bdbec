"""Entry point: python3 deploy/local/redshift --port P --control-port C ..."""
import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from redshift.server import main  # noqa: E402  (the path has to be set first)

main()
