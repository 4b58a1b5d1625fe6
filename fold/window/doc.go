// Package window divides time into windows: of a number of seconds, minutes, hours, days, weeks, months, quarters or
// years, by the clocks of a time zone. The package does no I/O.
package window
