package funcs

import (
	"maps"

	"github.com/sluice-etl/sluice/query/expr"
)

// Library is the functions of the query language. It must not be changed.
func Library() *expr.Library { return &library }

var library = expr.Library{Functions: functions, Advice: allAdvice()}

// functions is every function of one row's values, in the order in which docs/query.md shows them.
var functions = []expr.Function{
	{
		Name: "coalesce", Args: "x, y, …", Result: "the type of its arguments", Least: 1, Most: -1, Compile: coalesce,
		Doc: "the first argument that is not NULL",
	},
	{
		Name: "ifnull", Args: "x, y", Result: "the type of its arguments", Least: 2, Most: 2, Compile: coalesce,
		Doc: "`x`, or `y` where `x` is NULL",
	},
	{
		Name: "if", Args: "condition, x, y", Result: "the type of `x` and `y`", Least: 3, Most: 3, Compile: ifThen,
		Doc: "`x` where the condition is true, otherwise `y`",
	},
	{
		Name: "nullif", Args: "x, y", Result: "the type of `x`", Least: 2, Most: 2, Compile: nullIf,
		Doc: "NULL where `x` equals `y`, otherwise `x`",
	},
	{
		Name: "left", Args: "text, n", Result: "text", Least: 2, Most: 2, Compile: leftText,
		Doc: "the first `n` characters",
	},
	{
		Name: "concat", Args: "text, …", Result: "text", Least: 1, Most: -1, Compile: concat,
		Doc: "the texts joined; NULL where one of them is NULL",
	},
	{
		Name: "length", Args: "text", Result: "integer", Least: 1, Most: 1, Compile: lengthOf,
		Doc: "the number of bytes",
	},
	{
		Name: "char_length", Args: "text", Result: "integer", Least: 1, Most: 1, Compile: lengthOf,
		Doc: "the number of characters",
	},
	{
		Name: "character_length", Args: "text", Result: "integer", Least: 1, Most: 1, Compile: lengthOf,
		Doc: "the same as `CHAR_LENGTH`",
	},
	{
		Name: "substring_index", Args: "text, delimiter, n", Result: "text", Least: 3, Most: 3, Compile: substringIndexOf,
		Doc: "before the `n`-th delimiter; if `n` < 0, after the `-n`-th last one",
	},
	{
		Name: "header", Args: "'name'", Result: "text", Least: 1, Most: 1, Compile: header,
		Doc: "a header of the event, NULL where it has none",
	},
	{
		Name: "tumble", Args: "time, INTERVAL n unit", Result: "time", Least: 2, Most: 2, Compile: tumble,
		Doc: "the start of the window that the time is in",
	},
	{
		Name: "from_unixtime", Args: "seconds", Result: "time", Least: 1, Most: 1, Compile: fromUnix,
		Doc: "the time of a number of seconds since 1970-01-01 UTC",
	},
}

// instead says what to write in place of functions that people expect.
var instead = map[string]string{
	"avg":                   "an average cannot be computed by adding to a row: store SUM(x) and COUNT(x), and divide when you select",
	"std":                   "it cannot be computed by adding to a row: store COUNT(x), SUM(x) and SUM(x * x), and compute it when you select",
	"group_concat":          "it cannot be computed by adding to a row: group by the value, with COUNT(*)",
	"approx_count_distinct": "it cannot be computed by adding to a row: group by the value, with COUNT(*), and count rows when you select",
	"lower":                 "case mapping depends on the versions of Unicode and MySQL: store the text unchanged, and use LOWER when you select",
	"upper":                 "case mapping depends on the versions of Unicode and MySQL: store the text unchanged, and use UPPER when you select",
	"now":                   "the query would give different rows when it runs again: use _timestamp or _event_time",
	"rand":                  "the query would give different rows when it runs again",
	"uuid":                  "the query would give different rows when it runs again: use _topic, _partition, _offset",
	"date":                  "write TUMBLE(time, INTERVAL 1 DAY)",
	"date_format":           "write TUMBLE(time, INTERVAL n unit), and format when you select",
	"substring":             "write LEFT(text, n) or SUBSTRING_INDEX(text, delimiter, n)",
}

// sameAdvice names the function whose advice another function shares.
var sameAdvice = map[string]string{
	"stddev": "std", "stddev_pop": "std", "stddev_samp": "std", "variance": "std", "var_pop": "std", "var_samp": "std",
	"lcase": "lower", "ucase": "upper", "curdate": "now", "current_timestamp": "now", "sysdate": "now", "unix_timestamp": "now",
	"utc_timestamp": "now", "substr": "substring", "mid": "substring",
}

// allAdvice is the advice for each name, those of sameAdvice included.
func allAdvice() map[string]string {
	all := maps.Clone(instead)
	for name, same := range sameAdvice {
		all[name] = instead[same]
	}
	return all
}
