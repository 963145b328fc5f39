"""Options of the sources `elasticsearch` and `opensearch`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from mmc.sources.elasticsearch.codes import CODES
from mmc.spec.models import Model
from mmc.spec.options import PLACE, Options, Problem, Secret


class Tls(Model):
    """How the server's certificate is checked, and what is shown to it."""

    ca: str = ""
    """File with the certificates of the authority that signed it. Default: the system's."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, instead of an authority."""
    certificate: str = ""
    """File with the client's certificate."""
    key: str = ""
    """File with the client's key."""
    verify: bool = True
    """false accepts any certificate; the plan warns."""


class Auth(Model):
    """One of: user and password, an API key, a token."""

    username: str = ""
    """Name of the user; with `password`."""
    password: Secret | None = None
    """Password of that user."""
    api_key: Secret | None = None
    """The encoded form, or `id:key`."""
    token: Secret | None = None
    """Service or bearer token."""

    @property
    def signs_in(self) -> bool:
        """Whether there is a secret to sign in with."""
        return any(it is not None for it in (self.password, self.api_key, self.token))


class Read(Model):
    """How a cluster is read, and how it is spared."""

    method: Literal["auto", "seq_no", "pit", "scroll"] = "auto"
    """`seq_no` reads ranges of sequence numbers, `pit` and `scroll` slices of an open search."""
    page_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 26)] = 8 << 20
    """Wanted size of one answer."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Most requests at once."""
    requests_per_second: Annotated[float | None, Field(gt=0)] = None
    """Most requests a second."""


class ElasticsearchOptions(Options):
    """Indices of Elasticsearch 7.17 to 9, or OpenSearch 2 and 3."""

    codes: ClassVar[Mapping[str, str]] = CODES
    type: Literal["elasticsearch", "opensearch"]
    url: str | list[str] = ""
    """`https://host:9200`, or several nodes of one cluster. This or `cloud_id`."""
    cloud_id: str = ""
    """A deployment of Elastic Cloud, in the place of `url`."""
    auth: Auth = Auth()
    tls: Tls = Tls()
    index: str | list[str] = Field(default_factory=list)
    """Indices, patterns, aliases or data streams; each becomes a collection. Default: those that
    `collections` names, or all that are not hidden.
    """
    query: dict[str, JsonValue] = Field(default_factory=dict)
    """Only documents that match, in the server's query language, such as `{term: {lang: en}}`."""
    after: str | list[str] = Field(default_factory=list)
    """Saved plans that were applied: only what was written or changed since is read, by sequence
    number. For `load.mode: upsert`.
    """
    read: Read = Read()
    flatten: list[str] = Field(default_factory=list)
    """Object fields whose members become columns of their own, named `object.member`. Objects that
    hold vectors are opened without it.
    """
    arrays: list[str] = Field(default_factory=list)
    """Fields that hold lists, beside those that the sample shows."""
    tokens: str = ""
    """JSON file that numbers the tokens of sparse vectors, `{"berlin": 0, "river": 1}`: what
    `mmc tokens` makes.
    """
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for one request."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return self.urls

    @property
    def urls(self) -> tuple[str, ...]:
        """Nodes of one cluster; empty where `cloud_id` says where it is."""
        return _texts(self.url)

    @property
    def indices(self) -> tuple[str, ...]:
        """Names, patterns, aliases, data streams; empty means what `resolve` finds."""
        return _texts(self.index)

    @property
    def earlier_plans(self) -> tuple[str, ...]:
        """See `mmc.spec.options.Options.earlier_plans`."""
        return _texts(self.after)

    def problems(self) -> Iterator[Problem]:
        """A cluster has an address, and there is one way to sign in."""
        if not self.urls and not self.cloud_id:
            yield Problem(
                code="MMC450",
                message="an Elasticsearch source needs an address",
                hint="add url: https://host:9200, or cloud_id: ID",
                key=True,
            )
        elif self.urls and self.cloud_id:
            yield Problem(
                code="MMC450",
                message="the address of a cluster is `url` or `cloud_id`, not both",
                path=("cloud_id",),
                hint="remove one of them",
                key=True,
            )
        ways = [name for name in ("username", "api_key", "token") if getattr(self.auth, name)]
        if len(ways) > 1:
            yield Problem(
                code="MMC451",
                message=f"`{PLACE}` has {' and '.join(ways)}: there is one way to sign in",
                path=("auth",),
                hint="leave out all but one",
                key=True,
            )


def _texts(said: str | list[str]) -> tuple[str, ...]:
    listed = [said] if isinstance(said, str) else said
    return tuple(dict.fromkeys(text for text in listed if text))
