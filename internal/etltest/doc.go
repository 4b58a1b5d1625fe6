// Package etltest holds what the tests with real processes share: etl as a process that can be killed, a real agent's
// spooling folder, waiting for a condition, and the text form in which captured bytes are kept.
package etltest
