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

_PARAMETERS = (
    r"(?:(?:q-)?sig(?:nature)?|(?:(?:access|auth|security|session)[_-]?)?token|password|secret"
    r"|api[_-]?key|access[_-]?key|x-(?:amz|goog)-[a-z-]+)"
)
URL_CREDENTIALS = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://"
    r"(?:[^\s/?#@]*:[^\s/?#@]+@"
    rf"|[^\s?#]*\?(?:[^\s#]*&)?{_PARAMETERS}=[^&\s])"
    r"|\b(?:s3a?|gc?s|oss|cosn?|obs)://[^\s/?#]*@"
)
"""A URL with `user:password@`, a bucket with anything before an @, or a parameter that is a
credential.
"""

URL_USER = re.compile(r"(?i)\b(?:https?|tcp)://[^\s/?#@]+@")
"""A URL with `user@`, where a client would take that for a token."""

STORAGE_CREDENTIALS = re.compile(
    rf"(?i)[?&]{_PARAMETERS}=[^&\s]"
    r"|\b(?:accountkey|sharedaccess(?:key|signature))=\S"
    r"|^\s*(?:(?:bearer|basic|token|apikey)\s+"
    r"|[\w-]*(?:authorization|cookie|token|key)\s*:\s*)\S"
)
"""What a text among the options of a file system may hold: a signature without its URL, part of a
connection string, a line of a header or its value.
"""

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
"""The text of a key, where the path of its file or a reference belongs."""

SECRET_HEADER = re.compile(r"(?i)(?:set-)?cookie2?")
"""Names of HTTP headers that hold secrets, beside those of SECRET_KEY."""

SECRET_LINE = re.compile(
    rf"(?i)(?:^|[\s{{,'\"_-])(?:{_NAMES}|cookie)[\"']?\s*[:=]\s*(?!\s|$|#|\{{|[\"']?(?:env|file):)"
)
"""A line that gives such an option a plain value; for texts that do not parse."""
