"""Which functions an SQL expression may use, and how much larger than its columns it may become.

The engine's own memory limit does not count what one function call allocates: `repeat('x', 2e9)`
took 4 GiB while it was planned. So functions come from a list, and those that make a long value
out of a short one are bounded by a constant; `mmc.sql.growth` counts what they make together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 1 << 20
"""How many times larger than its columns, or than one value, an expression may become."""

_NAMES = """
!= !~~ !~~* % & && * ** + - ->> / // < <-> << <= <=> <@ = > >= >> @ @> ^ ^@ | || ~ ~~ ~~* ~~~
!__postfix __between __cast add subtract multiply divide mod fmod fdiv abs sign signbit ceil
ceiling floor round round_even roundbankers trunc sqrt cbrt exp ln log log10 log2 pow power pi
degrees radians sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh gamma
lgamma factorial gcd lcm greatest_common_divisor least_common_multiple greatest least even
nextafter isnan isinf isfinite xor bit_count bit_length bit_position get_bit set_bit nullif if
switch constant_or_null coalesce alias lower lcase upper ucase length len char_length
character_length strlen octet_length length_grapheme trim ltrim rtrim left right left_grapheme
right_grapheme substr substring substring_grapheme reverse ascii ord unicode chr concat
concat_ws contains prefix suffix starts_with ends_with instr strpos position overlay split
split_part str_split string_split string_to_array str_split_regex string_split_regex
regexp_split_to_array regexp_matches regexp_full_match regexp_extract regexp_extract_all
regexp_escape regexp_replace replace translate strip_accents nfc_normalize like_escape
ilike_escape not_like_escape not_ilike_escape format printf repeat lpad rpad bar hex to_hex
unhex from_hex bin to_binary unbin from_binary to_base base64 to_base64 from_base64 encode
decode url_encode url_decode md5 md5_number md5_number_lower md5_number_upper sha1 sha256 hash
levenshtein editdist3 damerau_levenshtein hamming mismatches jaccard jaro_similarity
jaro_winkler_similarity format_bytes formatreadablesize formatreadabledecimalsize pg_size_pretty
parse_formatted_bytes parse_path parse_dirname parse_dirpath parse_filename year month day hour
minute second millisecond microsecond nanosecond quarter week weekday weekofyear yearweek isodow
isoyear dayofweek dayofmonth dayofyear dayname monthname days_in_month last_day decade century
millennium era julian epoch epoch_ms epoch_us epoch_ns date_part datepart date_trunc datetrunc
date_add date_sub datesub date_diff datediff time_bucket timezone timezone_hour timezone_minute
age make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz
to_timestamp to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds
to_milliseconds to_microseconds to_decades to_centuries to_millennia strftime strptime
try_strptime list_value list_pack array_value list_element list_extract array_extract element_at
list_slice array_slice list_append array_append array_push_back list_prepend array_prepend
array_push_front array_pop_back array_pop_front list_concat list_cat array_concat array_cat
list_contains array_contains list_has array_has list_has_all array_has_all list_has_any
array_has_any list_position array_position list_indexof array_indexof list_distinct
array_distinct list_unique array_unique list_intersect array_intersect list_reverse
array_reverse list_sort array_sort list_reverse_sort array_reverse_sort list_grade_up
array_grade_up grade_up list_select array_select list_where array_where list_zip array_zip
list_filter array_filter filter list_transform array_transform list_apply array_apply apply
flatten array_length list_resize array_resize range generate_series array_to_string
array_to_string_comma_default list_aggregate list_aggr array_aggregate array_aggr aggregate
list_reduce array_reduce reduce
list_sum list_avg list_min list_max list_count list_first list_last list_any_value list_product
list_median list_mode list_mad list_stddev_pop list_stddev_samp list_var_pop list_var_samp
list_sem list_skewness list_kurtosis list_kurtosis_pop list_entropy list_bool_and list_bool_or
list_bit_and list_bit_or list_bit_xor list_string_agg list_distance array_distance
list_cosine_distance array_cosine_distance list_cosine_similarity array_cosine_similarity
list_dot_product array_dot_product list_inner_product array_inner_product
list_negative_dot_product list_negative_inner_product array_negative_dot_product
array_negative_inner_product array_cross_product row struct_pack struct_extract
struct_extract_at struct_insert struct_update struct_concat struct_keys struct_values
struct_contains struct_has struct_position struct_indexof map map_concat map_contains
map_contains_entry map_contains_value map_entries map_extract map_extract_value map_from_entries
map_keys map_values cardinality union_extract union_tag union_value json json_array
json_array_length json_contains json_deep_merge json_exists json_extract json_extract_path
json_extract_path_text json_extract_string json_insert json_keys json_merge_patch json_object
json_pretty json_quote json_remove json_replace json_set json_strip_nulls json_structure
json_transform json_transform_strict from_json from_json_strict json_type json_valid json_value
to_json array_to_json row_to_json typeof st_asbinary st_asgeojson st_astext st_aswkb st_aswkt
st_geomfromgeojson st_geomfromwkb
"""
ALLOWED = frozenset(_NAMES.split()) | {"is distinct from", "is not distinct from"}
"""Functions of one row that give a value not much larger than what they get, or are bounded."""

Arguments = Sequence[Mapping[str, Any]]


class Unbounded(Exception):
    """A function may make a value of any size. `hint` says what bounds it, `node` is the call."""

    def __init__(self, message: str, hint: str = "write a constant") -> None:
        super().__init__(message)
        self.hint = hint
        self.node: Mapping[str, Any] | None = None


def length_of(name: str, argument: Mapping[str, Any]) -> int:
    """The constant that bounds a length: itself, or the least of `least(...)`."""
    if (found := _number(argument)) is not None:
        return found
    if argument.get("class") == "FUNCTION" and argument["function_name"].lower() == "least":
        bounds = [_number(part) for part in unwrapped(argument["arguments"])]
        known = [bound for bound in bounds if bound is not None]
        if known:
            return min(known)
    raise Unbounded(
        f"`{name}` may give a value of any size here", "write a number, or `least(n, 100)`"
    )


def _number(argument: Mapping[str, Any]) -> int | None:
    if argument.get("class") == "FUNCTION" and argument["function_name"] == "-":
        inner = unwrapped(argument["arguments"])
        found = _number(inner[0]) if len(inner) == 1 else None
        return None if found is None else -found
    literal = argument.get("literal") if argument.get("class") == "CONSTANT" else None
    if literal is None or literal.get("kind") != "INTEGER":
        return None
    return int(literal["text"])


def text_of(argument: Mapping[str, Any]) -> str | None:
    literal = argument.get("literal") if argument.get("class") == "CONSTANT" else None
    return literal["text"] if literal is not None and literal.get("kind") == "STRING" else None


def unwrapped(arguments: Sequence[Mapping[str, Any]]) -> Arguments:
    """Arguments without the names that the parse tree may put around them."""
    return [part.get("expression", part) for part in arguments]
