package funcs

import (
	"maps"
	"slices"

	"github.com/sluice-etl/sluice/query/expr"
)

// Library returns the functions of the query language. It is shared and must not be changed.
func Library() *expr.Library { return &library }

var library = expr.Library{Functions: functions, Advice: allAdvice(), ParseIP: readIP, ParseNetwork: readNetwork}

// functions lists every function of one row's values, in the order in which docs/query.md shows them.
var functions = slices.Concat(conditionals, numbers, powers, bitCounts, parts, searches, regexps, composed, cases, encodings, jsons, hashes, addresses, addressBytes, networks, urls, headers, times, intervals, clocks, weeks, days, formats, parsers, zones)

// instead holds what to write in place of functions of MySQL that are not supported.
var instead = map[string]string{
	"avg":                "AVG takes one expression, and is computed for a group: write it in SELECT, outside of other aggregates",
	"std":                "VARIANCE and STDDEV take one expression, and are computed for a group: write them in SELECT, outside of other aggregates",
	"json_keys":          "MySQL sorts the names, MariaDB does not: ask for each name with JSON_EXTRACT(json, '$.name') IS NOT NULL",
	"json_search":        "it would return a path: write JSON_CONTAINS(json, '\"text\"')",
	"json_array":         "servers write JSON in different ways: write one column for each value",
	"json_contains_path": "write JSON_EXTRACT(json, path) IS NOT NULL; JSON's null is NULL there",
	"now":                "the query would give different rows when it runs again: use _timestamp or _event_time",
	"rand":               "the query would give different rows when it runs again",
	"uuid":               "the query would give different rows when it runs again: use _topic, _partition, _offset",
	"hop":                "a record is in several of its windows, so it must be an item of GROUP BY: write SELECT HOP(time, INTERVAL n unit, INTERVAL n unit) AS w, COUNT(*) AS n FROM events GROUP BY w",
	"session":            "a session is a group of events, so it must be an item of GROUP BY: write SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s",
	"session_start":      "SESSION(time, INTERVAL n unit) is the start of the session: write SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s",
	"session_end":        "MAX(time) is the last event of the session: add the gap to it when you select from the table",
	"sec_to_time":        "there is no type of times of day: store the seconds, and use it when you select",
	"time":               "there is no type of times of day: write DATE_FORMAT(time, '%H:%i:%s'), or TIME_TO_SEC(time)",
}

// sameAdvice maps a function to the one whose advice it shares.
var sameAdvice = map[string]string{
	"stddev": "std", "stddev_pop": "std", "stddev_samp": "std", "variance": "std", "var_pop": "std", "var_samp": "std",
	"json_object": "json_array", "json_set": "json_array", "json_insert": "json_array", "json_replace": "json_array", "json_remove": "json_array", "json_merge_patch": "json_array", "json_merge_preserve": "json_array", "json_arrayagg": "json_array", "json_objectagg": "json_array",
	"session_window": "session_start",
	"curdate":        "now", "current_timestamp": "now", "sysdate": "now",
	"utc_timestamp": "now", "maketime": "sec_to_time", "timediff": "sec_to_time",
}

// allAdvice returns the advice for each name, including those in sameAdvice.
func allAdvice() map[string]string {
	all := maps.Clone(instead)
	for name, same := range sameAdvice {
		all[name] = instead[same]
	}
	return all
}
