// Package receivertest is what the tests of receivers share: an Appender that keeps what it is given, a receiver that
// runs with its log and metrics in sight, and connections that send bytes as they are.
package receivertest
