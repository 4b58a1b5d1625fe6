// Package mariadbtest gives tests, benchmarks and fault programs a real MariaDB or MySQL.
//
// [Start] hands out one server for all tests of a binary: the one that ETL_TEST_DSN names, else a private process in a
// temporary directory with a random port on 127.0.0.1. With options, or by [New], the server is the caller's own, and
// can be killed, stopped, started again, and put back to an older state of its data folder.
//
// A server never outlives the process that started it, not even through SIGKILL: a small shell holds the other end of
// a pipe, and when that pipe closes it kills the server and removes its directory. No goroutine is kept running, so
// goleak has nothing to say.
//
// Where no server can be had, Start skips the test with a line that begins with "NOT RUN:", which scripts/test lists;
// with ETL_TEST_REQUIRE_MYSQL=1 the test fails instead.
//
// Settings are for speed on small machines: a small buffer pool, no double write, and innodb_flush_log_at_trx_commit 2,
// with which what was committed outlives SIGKILL of the server, though not a power cut. [Flush] chooses otherwise.
package mariadbtest
