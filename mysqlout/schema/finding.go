package schema

import "github.com/sluice-etl/sluice/internal/option"

// Finding is a property of a table or the server that is a reason to refuse a start, or that an operator should know.
type Finding struct {
	Warning bool   // otherwise a start is refused
	Subject string // table, table.column, or the server
	Seen    string // what was seen, and what was expected
	Do      string // advice: SQL, if it begins with the name of a statement
	lacking bool   // it is a column that Evolve adds
}

// String returns the finding in one line.
func (f Finding) String() string {
	s := f.Subject + ": " + f.Seen
	if f.Do != "" {
		s += ": " + f.Do
	}
	return s
}

const noTable = "there is no such table"

var createIt = "create it (etl check --ddl prints the SQL), or give " + option.Ref("create-tables")

// Missing reports whether the finding is a table that does not exist, which a start creates if it may.
func (f Finding) Missing() bool { return f.Seen == noTable }
