"""What secrets look like in a spec: names of options that hold them, references, and credentials in
URLs.
"""

from __future__ import annotations

import re

_NAMES = (
    r"token|password|passwd|passphrase|pw|secret|auth|authorization|sas|credentials?"
    r"|(?:api|access|account|private)[_-]?key|connection[_-]?string"
)
SECRET_KEY = re.compile(rf"(?i)(?:.*[_-])?(?:{_NAMES})")
"""Names of options and environment variables that hold secrets."""

SECRET_REF = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")
"""A reference to a secret."""

URL_CREDENTIALS = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://"
    r"(?:[^\s/?#@]*:[^\s/?#@]+@"
    r"|[^\s?#]*\?(?:[^\s#]*&)?"
    r"(?:sig|token|password|secret|api[_-]?key|access[_-]?key|x-amz-[a-z-]+)=[^&\s])"
)
"""A URL with `user:password@`, or with a parameter that is a credential."""

SECRET_LINE = re.compile(
    rf"(?i)(?:^|[\s{{,'\"_-])(?:{_NAMES})[\"']?\s*[:=]\s*(?!\s|$|#|\{{|[\"']?(?:env|file):)"
)
"""A line that gives such an option a plain value; for texts that do not parse."""
