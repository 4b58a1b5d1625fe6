// Package format reads the bodies of records: as lines of an access log, as JSON, Avro, logfmt, LTSV, CSV or syslog messages,
// by a regular expression, as words, or as they are; or by the first of several formats that accepts them. [New] returns the [Format] of a name, and [Names] lists the names.
// A program can implement a Format of its own, too.
//
// A [Parser] reads a body into [Fields], which are views on its bytes. Nothing is allocated for a record, except if a
// doc comment says so, or if a body is not in its format. The package does no I/O.
package format
