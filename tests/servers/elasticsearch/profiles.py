"""The versions that can be run, and what each needs beyond the jars that its pom names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """A plug-in whose published jars have no descriptor; they are known by how their names begin.

    `compiled` says that it is a class of ours, in `java/`.
    """

    name: str
    plugin_class: str
    jars: tuple[str, ...] = ()
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One version of one product. `poms/<name>.xml` has its jars, and the version."""

    name: str
    product: str
    java: int = 17
    """The oldest Java it runs on."""
    security: bool = False
    """Whether it can ask for passwords and API keys, and speak TLS."""
    modules: tuple[Module, ...] = ()
    empty_types: tuple[str, ...] = ()
    """Types that its classes name and Maven Central lacks. Empty interfaces let those classes be
    loaded; what they are for (SAML, gRPC) cannot be used.
    """

    @property
    def package(self) -> str:
        return f"org.{self.product}"


SAML = (
    "org.opensaml.saml.saml2.core.StatusResponseType",
    "org.opensaml.saml.saml2.core.RequestAbstractType",
    "org.opensaml.core.xml.XMLObject",
)
GRPC = (
    "org.opensearch.transport.grpc.spi.QueryBuilderProtoConverter",
    "org.opensearch.transport.grpc.spi.QueryBuilderProtoConverterRegistry",
)
SECURITY_ANALYSIS = Module("security-analysis", "SecurityAnalysis", compiled=True)
PAINLESS = ("lang-painless", "opensearch-scripting-painless-spi")
NETTY = ("transport-netty4-client",)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "es7",
            "elasticsearch",
            modules=(
                Module("transport-netty4", "org.elasticsearch.transport.Netty4Plugin", NETTY),
                Module("reindex", "org.elasticsearch.reindex.ReindexPlugin", ("reindex-client",)),
                Module(
                    "mapper-extras",
                    "org.elasticsearch.index.mapper.MapperExtrasPlugin",
                    ("mapper-extras-client",),
                ),
                Module(
                    "parent-join",
                    "org.elasticsearch.join.ParentJoinPlugin",
                    ("parent-join-client",),
                ),
                Module("dense-vectors", "DenseVectors", compiled=True),
            ),
        ),
        Profile(
            "es8",
            "elasticsearch",
            security=True,
            modules=(SECURITY_ANALYSIS,),
            empty_types=SAML,
        ),
        Profile(
            "es9",
            "elasticsearch",
            java=21,
            security=True,
            modules=(SECURITY_ANALYSIS,),
            empty_types=SAML,
        ),
        Profile(
            "os2",
            "opensearch",
            modules=(
                Module("transport-netty4", "org.opensearch.transport.Netty4Plugin", NETTY),
                Module("lang-painless", "org.opensearch.painless.PainlessPlugin", PAINLESS),
            ),
        ),
        Profile(
            "os3",
            "opensearch",
            java=21,
            modules=(
                Module("transport-netty4", "org.opensearch.transport.Netty4ModulePlugin", NETTY),
                Module("lang-painless", "org.opensearch.painless.PainlessModulePlugin", PAINLESS),
            ),
            empty_types=GRPC,
        ),
    )
}
