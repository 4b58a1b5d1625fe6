// Package mariadbtest runs a real MariaDB or MySQL for tests and benchmarks.
//
// [Start] returns one server for all tests of a binary: the one that ETL_TEST_DSN names, or a private process in a
// temporary directory with a random port on 127.0.0.1. With options, or with [New], the caller gets a server of its own
// that can be killed, stopped, restarted, and restored to an older copy of its data directory.
//
// A server never outlives the process that started it, not even after SIGKILL: a small shell holds the other end of a
// pipe, and when that pipe closes it kills the server and removes its directory. No goroutine is left running, so
// goleak reports nothing.
//
// If no server is available, Start skips the test with a line that begins with "NOT RUN:", which scripts/test lists;
// with ETL_TEST_REQUIRE_MYSQL=1 the test fails instead.
//
// The settings are for speed on small machines: a small buffer pool, no doublewrite buffer, and
// innodb_flush_log_at_trx_commit 2, with which commits survive SIGKILL of the server, though not a power failure.
// [Flush] changes the latter.
package mariadbtest
