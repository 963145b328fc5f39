"""A user's mistake as a value: code, place, message, hint. Drawing is the views' work.

Codes: MMC1xx text and YAML, 2xx structure, templates and secrets, 3xx fields, types, casts and
collections, 4xx source, 5xx target and route, 6xx run, 7xx verify. Those of a plug-in stand in its
folder (`mmc.spec.options.codes_of` joins them). Each has a paragraph in docs/codes/ (a test
checks).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a text file. Lines and columns count from 1; `end_column` is exclusive.

    `text` is the whole line, for the snippet; empty when it must not be shown (it may hold a
    secret).
    """

    file: str
    line: int
    column: int
    end_column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: `MMC311`; a key of CODES, or of the codes of a plug-in.
        message: one line, no trailing full stop, names the value and the place.
        span: where in the spec; None when it is about a fact that no line of the spec names.
        label: what stands under the caret, such as "longest value seen: 91 bytes".
        hint: what to do about it, one line.
        path: place in the document, such as `collections[0].fields[1].type`.
    """

    code: str
    message: str
    _: KW_ONLY
    severity: Severity = Severity.ERROR
    span: Span | None = None
    label: str = ""
    hint: str = ""
    path: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


CODES: dict[str, str] = {
    # 1xx: text and YAML
    "MMC101": "file cannot be read",
    "MMC102": "not UTF-8",
    "MMC103": "file too large",
    "MMC104": "empty file",
    "MMC105": "not YAML",
    "MMC106": "tab",
    "MMC107": "second document",
    "MMC108": "duplicate key",
    "MMC109": "key is not text",
    "MMC110": "tag",
    "MMC111": "merge key",
    "MMC112": "alias",
    "MMC113": "template without quotes",
    "MMC114": "number out of range",
    "MMC115": "character not allowed",
    "MMC116": "nested too deep",
    "MMC117": "not a mapping",
    "MMC118": "cannot be formatted",
    "MMC119": "directive",
    "MMC120": "not JSON",
    "MMC121": "not a plan or facts file",
    "MMC122": "format version",
    "MMC123": "malformed plan or facts",
    "MMC124": "changed by hand",
    "MMC125": "plan that mmc could not have made",
    "MMC126": "options of a plan do not fit",
    "MMC130": "template does not parse",
    "MMC131": "template statement",
    "MMC132": "not allowed in a template",
    "MMC133": "template in a key",
    "MMC134": "unknown filter",
    # 2xx: structure, templates, secrets
    "MMC201": "unknown key",
    "MMC202": "missing key",
    "MMC203": "wrong kind of value",
    "MMC204": "not one of the values",
    "MMC205": "out of range",
    "MMC206": "text not of the wanted form",
    "MMC207": "unknown source or target type",
    "MMC208": "version of the spec format",
    "MMC209": "refused by the model",
    "MMC211": "not defined",
    "MMC214": "template fails",
    "MMC215": "template too large",
    "MMC216": "vars go in a circle",
    "MMC217": "unknown variable",
    "MMC220": "secret as plain text",
    "MMC221": "not a reference to a secret",
    "MMC222": "credentials in a URL",
    "MMC223": "secret in a template",
    "MMC230": "type does not parse",
    "MMC231": "where a field comes from",
    "MMC232": "duplicate field",
    "MMC233": "second key",
    "MMC234": "duplicate collection",
    "MMC235": "unknown cast",
    "MMC236": "unknown diagnostic code",
    "MMC237": "type of a key",
    "MMC238": "value does not fit the type",
    "MMC239": "index does not suit the type",
    "MMC242": "key field options",
    "MMC243": "collection without a name",
    "MMC244": "cannot be normalized",
    "MMC246": "dynamic field is off",
    "MMC247": "unknown index type",
    "MMC248": "not a folder of a store",
    # 3xx: fields, types, casts, collections
    "MMC300": "changes that may go unseen",
    "MMC311": "varchar shorter than the sample",
    "MMC312": "nulls for a field that cannot be null",
    "MMC313": "vectors not finite",
    "MMC314": "integers beyond the type",
    "MMC317": "facts of another source or target",
    "MMC330": "collection renamed",
    "MMC331": "two collections to one",
    "MMC332": "nothing to migrate",
    "MMC333": "which collection",
    "MMC334": "unknown collection",
    "MMC335": "expression",
    "MMC336": "condition",
    "MMC338": "field renamed",
    "MMC339": "unknown column",
    "MMC340": "row number left out",
    "MMC341": "two fields of one name",
    "MMC342": "no type fits",
    "MMC343": "no cast fits",
    "MMC344": "column gives way",
    "MMC345": "another type is taken",
    "MMC350": "key type",
    "MMC351": "no primary key",
    "MMC352": "cannot be null",
    "MMC353": "dynamic field is off",
    "MMC354": "no vector field",
    "MMC355": "partition key and partitions",
    "MMC360": "field missing in the existing collection",
    "MMC361": "existing collection has no dynamic field",
    "MMC362": "existing field gets no value",
    "MMC363": "existing field differs",
    "MMC364": "upsert empties values",
    "MMC365": "partition missing in the existing collection",
    "MMC366": "existing collection cannot be loaded",
    "MMC367": "an alias in the place of a collection",
    "MMC368": "upsert into a collection with partitions",
    "MMC369": "another run is filling the existing collection",
    "MMC370": "index not carried over",
    "MMC371": "metric not known",
    "MMC372": "metric without an equal",
    "MMC373": "another index in the existing collection",
    "MMC374": "other index parameters in the existing collection",
    "MMC375": "existing collection keeps what it has",
    "MMC376": "lost by a replace",
    "MMC378": "source and replaced collection rank differently",
    "MMC379": "property that a spec cannot set",
    "MMC380": "source note",
    "MMC381": "lossy vectors",
    "MMC382": "rows lost in the source",
    "MMC383": "index parameter not known",
    "MMC384": "index parameter out of range",
    "MMC385": "index made to fit",
    "MMC386": "JSON too long",
    "MMC387": "field that a function fills",
    "MMC388": "field of an unknown type",
    # 4xx: source
    "MMC430": "no file found",
    "MMC431": "file cannot be read",
    "MMC432": "file cut short",
    "MMC443": "no space left",
    "MMC444": "file cannot be written",
    "MMC445": "file system or library missing",
    "MMC468": "earlier plan cannot be used",
    "MMC471": "rows added after the plan",
    "MMC477": "nothing for `unmapped: dynamic`",
    "MMC478": "dropped name that is no column",
    # 5xx: target and route
    "MMC510": "type not in target",
    "MMC511": "auto-id cannot be replayed",
    "MMC512": "no dynamic field",
    "MMC513": "too many vectors",
    "MMC514": "no partitions",
    "MMC515": "collection exists",
    "MMC516": "index not in target",
    "MMC517": "mode has no meaning",
    "MMC518": "no insert route",
    "MMC519": "replay would double rows",
    "MMC527": "repeated keys",
    "MMC528": "no bulk route",
    "MMC529": "format of staged files",
    "MMC532": "not a manifest",
    "MMC533": "file is not what the manifest records",
    "MMC534": "format cannot hold a value",
    "MMC536": "file is not in the import layout",
    "MMC537": "texts too long for NumPy",
    "MMC538": "step that the target does not have",
    "MMC539": "collection not in the manifest",
    "MMC540": "source files in the target's folder",
    "MMC541": "files cannot be staged",
    "MMC543": "import failed",
    "MMC544": "import task is gone",
    "MMC546": "staging place the server cannot read",
    "MMC547": "imported twice",
    "MMC548": "import without progress",
    "MMC549": "more than servers take",
    "MMC551": "index of a GPU build",
    "MMC558": "partition key and an import that misplaces rows",
    "MMC559": "import that this version spoils",
    "MMC576": "files of this run are gone or changed",
    "MMC577": "folder is a symbolic link",
    "MMC581": "another run fills the collection",
    "MMC592": "an expression takes too much memory",
    "MMC593": "an expression takes too long",
    "MMC594": "an expression or value of the plan cannot be used",
    "MMC595": "more problems than are shown",
    # 6xx: run
    "MMC600": "null in a field that is not nullable",
    "MMC601": "outside the range of the type",
    "MMC602": "not exact",
    "MMC603": "NaN or infinity",
    "MMC604": "text too long",
    "MMC605": "text is not a value of the type",
    "MMC606": "wrong length of a vector",
    "MMC607": "null inside a list or vector",
    "MMC608": "too many elements",
    "MMC609": "not JSON",
    "MMC610": "a zero vector cannot be normalised",
    "MMC611": "not UTF-8",
    "MMC612": "the expression fails",
    "MMC613": "not a sparse vector",
    "MMC614": "the source holds another kind of value than its field says",
    "MMC620": "lease held by another",
    "MMC621": "expired lease taken over",
    "MMC622": "lease of a dead process taken over",
    "MMC623": "lease lost",
    "MMC624": "lease could not be renewed in time",
    "MMC630": "unfinished run of another plan",
    "MMC631": "plan is stale",
    "MMC632": "row counts differ from the plan",
    "MMC633": "no plan to verify",
    "MMC634": "applied in another place",
    "MMC635": "collection of this run is gone",
    "MMC636": "a begun spec is continued",
    "MMC637": "values that no column took",
    "MMC638": "values that no column takes stop the run",
    "MMC640": "state store cannot be used",
    "MMC641": "state store of a newer mmc",
    "MMC642": "no such run",
    "MMC643": "no state store",
    "MMC644": "run not complete",
    "MMC645": "secret not found",
    "MMC586": "value in the state store that mmc did not write",
    "MMC587": "end of a run with something left undone",
    "MMC650": "duplicate primary keys",
    "MMC651": "key in the collection already",
    "MMC652": "too many rejected rows",
    "MMC653": "source gave other rows than planned",
    "MMC654": "worker process died",
    "MMC655": "rows changed after the plan",
    "MMC660": "unknown source or target",
    "MMC661": "plug-in needs an extra",
    "MMC662": "plug-in is broken",
    "MMC663": "file cannot be written",
    "MMC664": "events not recorded",
    "MMC665": "plug-in not written",
    # 7xx: verify
    "MMC701": "count differs",
    "MMC702": "content differs",
    "MMC703": "row missing in the target",
    "MMC704": "row more than once in the target",
    "MMC705": "row differs",
    "MMC706": "row that was never sent",
    "MMC707": "source gives other rows now",
    "MMC708": "our rows cannot be told apart",
    "MMC709": "rows cannot be named",
    "MMC710": "count of a partition differs",
    "MMC711": "schema or setting differs",
    "MMC712": "index differs",
    "MMC713": "property differs",
    "MMC714": "alias does not lead to the collection",
}
"""Code -> title, of what belongs to no plug-in. The paragraph is in docs/codes/."""
