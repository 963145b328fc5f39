"""The one table of casts between Arrow types and Milvus types. Pure: neither pyarrow nor numpy.

`compile` asks `choose` and `infer` and writes a name of CASTS into the plan;
`mmc.transform.kernels` has one kernel a name.
"""

from mmc.casts.choose import choose, element_cast
from mmc.casts.infer import infer
from mmc.casts.table import CASTS, Cast, Exactness, Refused

__all__ = ["CASTS", "Cast", "Exactness", "Refused", "choose", "element_cast", "infer"]
