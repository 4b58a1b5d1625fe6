package schema

import (
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/row"
)

// A column that is added to a table of rows says nothing about the records that these rows count already. As the value
// of an aggregate it must be NULL until a record is added: 0 would be taken for their smallest value. What identifies
// rows, or is computed from all records of one, cannot be added to them.

// readAgain is the advice for a column that cannot be added to rows.
const readAgain = "empty the table and read the records again, or write to another table"

// lacksColumn reports whether an existing table lacks a column that the query writes.
func (j *tableChecker) lacksColumn() bool {
	lacks := func(name string) bool { return j.found.column(name) == nil }
	return j.found.kind == "BASE TABLE" && slices.ContainsFunc(j.want.Columns, func(c row.Column) bool {
		return slices.ContainsFunc(c.StoredKey(), lacks)
	})
}

// missing adds the finding about the i-th column of the query, which the table lacks.
func (j *tableChecker) missing(c *row.Column, i int) {
	subject := j.want.FullName() + "." + c.Name
	want := *j.want
	switch by := j.shownBy(c.Name); {
	case j.found.filled && i < j.want.Keys && !c.Hidden: // the hidden one is the same in each row
		j.refuse(subject, readAgain, "there is no such column, and the table holds rows, which count records of different values of %s (or leave it out of the query)", c.Name)
		return
	case j.found.filled && by != "":
		j.refuse(subject, readAgain, "there is no such column, and the table holds rows: their %s would be computed without the records that are counted already", by)
		return
	case j.found.filled && i >= j.want.Keys && !c.IsState():
		want.Columns = slices.Clone(want.Columns)
		want.Columns[i].Nullable = true
	}
	j.refuse(subject, j.alter("ADD COLUMN %s", columnDefinition(j.server, &want, i)), "there is no such column (or leave it out of the query)")
}

// shownBy returns what would have wrong values if a column were added to rows that exist: a computed column which reads
// it, a column that is derived from a sketch, one whose values an order chooses, one of the first record, or a view. It is empty if there is none.
func (j *tableChecker) shownBy(name string) string {
	if by := j.readBy(name); by != nil {
		return by.Name
	}
	for i := range j.want.Columns {
		c := &j.want.Columns[i]
		if c.IsDerived() && (c.State == name || c.Name == name) || c.IsChosen() && (c.Order == name || c.Name == name) || c.Merge == row.First && c.Name == name {
			return c.Name
		}
	}
	if j.want.View != nil {
		shown := j.want.Shown()
		return fmt.Sprintf("values in %s", shown.FullName())
	}
	return ""
}
