// Package trial runs the tests that stand beside queries. A query FILE.sql has a test FILE.test: options, lines of a log,
// and the rows and dead letters that the query is expected to make of them.
//
//	# Comments are at the beginning only.
//	format: combined
//	time-zone: Europe/Vienna
//
//	== lines ==
//	192.0.2.7 - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" 200 5120 "-" "curl/8.5.0"
//	nonsense
//
//	== rows of hits ==
//	| status | hits |
//	|    200 |    1 |
//
//	== dead letters ==
//	2: expected host, ident and user before the time, separated by spaces
//
// The query is compiled and its records are folded as etl run does it, without a server. Values are checked against the
// columns of the tables that etl would create, and computed columns are computed as the server computes them.
package trial
