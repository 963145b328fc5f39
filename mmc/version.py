"""The version of mmc; the build reads it from here. And its name in package indexes."""

__version__ = "0.1.0"
DISTRIBUTION = "mmc"
"""What pip installs: in install lines, and in the dependencies of plug-ins."""
