"""The folder a node runs from: its plug-ins in modules/, and the class path of all else.

It is laid out once a machine, below ~/.cache (or MMC_ELASTICSEARCH_CACHE), under a name that
changes with the files of this package. mvn finds and keeps the jars; here are only links to them.
"""

from __future__ import annotations

import ctypes.util
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.elasticsearch.profiles import PROFILES, Module, Profile

HERE = Path(__file__).parent
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
DESCRIPTOR = re.compile(r"META-INF/es-plugins/([^/]+)/plugin-descriptor\.properties")
RESOLVES_WITHIN = 600.0


@dataclass(frozen=True, slots=True)
class Home:
    """`folder` for `path.home`, and what stands on the class path."""

    folder: Path
    class_path: tuple[str, ...]


class NotPrepared(Exception):
    """mvn or javac refused; says what they said."""


@dataclass(slots=True)
class _Plugin:
    descriptor: str
    jars: list[Path] = field(default_factory=list)


def cache() -> Path:
    """Where homes are kept."""
    default = Path.home() / ".cache" / "mmc-tests-elasticsearch"
    return Path(os.environ.get("MMC_ELASTICSEARCH_CACHE") or default)


def home(profile: Profile) -> Home:
    """Lays out the home where it is not there yet (20 s with no jar, 5 s with all).

    Raises:
        NotPrepared: a jar cannot be had, or a class not be compiled.
    """
    digest = hashlib.sha256()
    own = (HERE / "home.py", HERE / "profiles.py", *sorted(HERE.glob("java/*")))
    for file in (*own, HERE / "poms" / f"{profile.name}.xml"):
        digest.update(file.read_bytes())
    cache().mkdir(parents=True, exist_ok=True)
    folder = cache() / f"{profile.name}-{digest.hexdigest()[:12]}"
    listed = folder / "class-path"
    with (cache() / f"{profile.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _whole(listed):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _lay_out(profile, folder, listed)
    return Home(folder, tuple(listed.read_text().splitlines()))


def _whole(listed: Path) -> bool:
    """mvn's own cache may have been emptied since."""
    return listed.exists() and all(Path(jar).exists() for jar in listed.read_text().splitlines())


def _lay_out(profile: Profile, folder: Path, listed: Path) -> None:
    jars = _resolved(profile, folder)
    version = _version(profile, jars)
    class_path, plugins = [folder / "classes"], _described(profile, version)
    for jar in jars:
        if jar.suffix == ".zip":
            _unpack(jar, folder / "modules")
        elif plugin := _plugin(profile, jar, plugins):
            plugin.jars.append(jar)
        else:
            class_path.append(jar)
    if profile.security:
        plugins["x-pack-security"].jars += plugins["transport-netty4"].jars
    for module in profile.modules:
        if module.compiled:
            plugins[module.name].jars.append(_compiled(profile, module, folder, jars))
    for name, plugin in plugins.items():
        made = folder / "modules" / name
        made.mkdir(parents=True)
        (made / "plugin-descriptor.properties").write_text(plugin.descriptor)
        for jar in plugin.jars:
            (made / jar.name).symlink_to(jar)
    _compile(folder / "classes", [HERE / "java" / "EmbeddedNode.java", *_empty(profile, folder)])
    _link_zstd(folder / "native")
    listed.write_text("\n".join(map(str, class_path)))


def _resolved(profile: Profile, folder: Path) -> list[Path]:
    """The jars of the profile's pom; mvn fetches those that it has not."""
    found = folder / f"{profile.name}.jars"
    pom = HERE / "poms" / f"{profile.name}.xml"
    command = ["mvn", "-B", "-q", "-ntp", "-f", str(pom), GOAL, f"-Dmdep.outputFile={found}"]
    _run(command, f"the jars of {profile.name} cannot be resolved")
    return [Path(jar) for jar in found.read_text().strip().split(os.pathsep)]


def _version(profile: Profile, jars: list[Path]) -> str:
    name = re.compile(rf"{profile.product}-(\d[\w.]*)\.jar")
    return next(found[1] for jar in jars if (found := name.fullmatch(jar.name)))


def _described(profile: Profile, version: str) -> dict[str, _Plugin]:
    """The plug-ins whose descriptor is written here."""
    return {
        module.name: _Plugin(
            f"name={module.name}\ndescription={module.name}\nversion={version}\n"
            f"{profile.product}.version={version}\njava.version=11\n"
            f"classname={module.plugin_class}\n"
        )
        for module in profile.modules
    }


def _plugin(profile: Profile, jar: Path, plugins: dict[str, _Plugin]) -> _Plugin | None:
    """The plug-in that a jar belongs to; None for one of the server's own."""
    for module in profile.modules:
        if any(jar.name.startswith(f"{name}-") for name in module.jars):
            return plugins[module.name]
    with zipfile.ZipFile(jar) as opened:
        for entry in opened.namelist():
            if match := DESCRIPTOR.fullmatch(entry):
                # The server is on the class path here, so no plug-in can be a Java module.
                lines = opened.read(entry).decode().splitlines()
                kept = [line for line in lines if not line.startswith(("#", "modulename"))]
                return plugins.setdefault(match[1], _Plugin("\n".join(kept) + "\n"))
    return None


def _unpack(archive: Path, modules: Path) -> None:
    """A plug-in as users install it. k-NN 3 would also serve gRPC, if that were there."""
    folder = modules / archive.name.rpartition("-")[0]
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    descriptor = folder / "plugin-descriptor.properties"
    descriptor.write_text(descriptor.read_text().replace(",transport-grpc", ""))


def _compiled(profile: Profile, module: Module, folder: Path, jars: list[Path]) -> Path:
    """A plug-in of ours as a jar."""
    if profile.java > 17:
        # javac 17 cannot read those jars; what is used of them did not change since.
        jars = _resolved(PROFILES["es8"], folder)
    classes, packed = folder / "compiled" / module.name, folder / "compiled" / f"{module.name}.jar"
    _compile(classes, [HERE / "java" / f"{module.plugin_class}.java"], jars)
    with zipfile.ZipFile(packed, "w") as jar:
        for file in sorted(classes.iterdir()):
            jar.write(file, file.name)
    return packed


def _empty(profile: Profile, folder: Path) -> list[Path]:
    sources = []
    for name in profile.empty_types:
        package, _, simple = name.rpartition(".")
        source = folder / "empty" / f"{simple}.java"
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"package {package}; public interface {simple} {{}}\n")
        sources.append(source)
    return sources


def _link_zstd(folder: Path) -> None:
    """Indices with `best_compression` need libzstd, by the name the server looks for."""
    folder.mkdir()
    name = ctypes.util.find_library("zstd")
    for library in Path("/usr/lib").glob(f"*/{name}"):
        (folder / "libzstd.so").symlink_to(library)
        return


def _compile(target: Path, sources: list[Path], jars: list[Path] | None = None) -> None:
    target.mkdir(parents=True)
    class_path = os.pathsep.join(map(str, jars or []))
    command = ["javac", "-nowarn", "--release", "17", "-d", str(target), "-cp", class_path]
    _run([*command, *map(str, sources)], f"{sources[0].name} cannot be compiled")


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=RESOLVES_WITHIN)
    if done.returncode:
        raise NotPrepared(f"{failure}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
