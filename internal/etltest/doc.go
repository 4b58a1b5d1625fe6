// Package etltest holds helpers for tests with real processes: etl as a process that can be killed, a real agent's
// spooling directory, waiting for a condition, and the text form of recorded bytes.
package etltest
