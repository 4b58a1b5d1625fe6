package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// isComputed reports whether the query has a computed column of that name.
func (j *tableChecker) isComputed(name string) bool {
	return slices.ContainsFunc(j.want.Computed, func(c row.Computed) bool { return strings.EqualFold(c.Name, name) })
}

// readBy returns a computed column that reads a column, nil if there is none.
func (j *tableChecker) readBy(name string) *row.Computed {
	for i := range j.want.Computed {
		if slices.Contains(j.want.Computed[i].Reads, name) {
			return &j.want.Computed[i]
		}
	}
	return nil
}

// computed checks the columns that the server computes: each is a generated column of the query's expression, and takes
// every value of it.
func (j *tableChecker) computed() {
	for i := range j.want.Computed {
		c := &j.want.Computed[i]
		subject := j.want.FullName() + "." + c.Name
		add := "ADD COLUMN " + computedDefinition(c)
		replace := j.alter("DROP COLUMN %s, %s", sqltext.AppendName(nil, c.Name), add)
		switch real := j.found.column(c.Name); {
		case j.server.Dialect == pool.Embedded:
			j.refuse(subject, "write its aggregates as columns of their own, or use a MySQL or MariaDB server",
				"the embedded database cannot add to rows that have computed columns")
		case real == nil:
			j.refuse(subject, j.alter("%s", add), "there is no such column, which the server computes from others (right only if none of these was added to rows later; or leave it out of the query)")
		case !real.generated:
			j.refuse(subject, j.alter("CHANGE %s %s, %s", sqltext.AppendName(nil, c.Name), j.renamed(real), add),
				"it is an ordinary column, must be a generated one, because the query computes it from others (or give it another alias in the query)")
		case !c.IsSame(real.generation):
			j.refuse(subject, replace, "it is a generated column of the expression %s, must be that of the query, %s", real.generation, c.SQL)
		case real.dataType != "decimal" || strings.Contains(real.columnType, "unsigned"):
			j.refuse(subject, replace, "its type is %s, must be DECIMAL(%d,%d)", real.columnType, computedDigits, c.Scale)
		case !real.nullable: // MySQL has such columns
			j.refuse(subject, replace, "it is NOT NULL: a NULL, such as that of x / 0, would block every write of its row")
		case real.scale < int64(c.Scale):
			j.refuse(subject, replace, "its type is %s, which would round to %d digits after the point, the query computes %d (or write ROUND in the query)",
				real.columnType, real.scale, c.Scale)
		case real.precision-real.scale < leastWhole:
			j.refuse(subject, replace, "its type is %s: a value that exceeds it would block every write of its row, so it must have %d digits before the point",
				real.columnType, leastWhole)
		}
	}
}

// columnInExpression matches a column in the expression of a generated column, as servers show it.
var columnInExpression = regexp.MustCompile("`((?:[^`]|``)+)`")

// leftBehind checks the generated columns that the query does not compute. If one was computed by an earlier query from
// columns of which this one writes only some, its values are wrong from the next batch on.
func (j *tableChecker) leftBehind() {
	for i := range j.found.columns {
		c := &j.found.columns[i]
		if !c.generated || j.isComputed(c.name) {
			continue
		}
		written, stale, hidden := "", "", false
		for _, m := range columnInExpression.FindAllStringSubmatch(c.generation, -1) {
			name := strings.ReplaceAll(m[1], "``", "`")
			at := slices.IndexFunc(j.want.Columns, func(w row.Column) bool { return strings.EqualFold(w.Name, name) })
			real := j.found.column(name)
			switch {
			case at >= j.want.Keys:
				written = name
			case at < 0 && real != nil && !real.generated:
				stale = name
				hidden = hidden || strings.HasPrefix(strings.ToLower(name), strings.ToLower(c.name)+"__")
			}
		}
		if written == "" || stale == "" {
			continue
		}
		report := j.warn
		if hidden {
			report = j.refuse
		}
		report(j.want.FullName()+"."+c.name, j.alter("DROP COLUMN %s", sqltext.AppendName(nil, c.name)),
			"it is computed from %s, which the query writes, and %s, which it does not write: if an earlier query wrote both, its values would be wrong", written, stale)
	}
}

// leastWhole is how many digits a computed column must have before the point: as many as one with the most digits after
// it.
const leastWhole = computedDigits - 30

// renamed returns the definition of a column under another name, so that its values are kept.
func (j *tableChecker) renamed(c *column) string {
	name := c.name
	for j.found.column(name) != nil {
		name = sqltext.Cut(name, 60) + "_old"
	}
	null := "NULL"
	if c.primary {
		null = "NOT NULL"
	}
	return fmt.Sprintf("%s %s %s", sqltext.AppendName(nil, name), c.fullType(), null)
}
