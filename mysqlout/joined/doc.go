// Package joined reads the tables that a query joins: all of them at the start, and again on an interval and on demand. A
// read that fails leaves the last version of its table in place, with a log message, a metric and an age that grows. What
// a batch sees of the versions is decided by package fold.
package joined
