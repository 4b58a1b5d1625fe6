package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// binaryText returns the type of texts that are compared by their bytes and never padded.
func binaryText(s pool.Server, characters int) string {
	switch {
	case s.Dialect == pool.MariaDB:
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", characters)
	case s.Dialect == pool.MySQL && s.Version != "" && !s.AtLeast(8, 0):
		return fmt.Sprintf("VARBINARY(%d)", 4*characters)
	}
	return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin", characters)
}

// createTarget returns the CREATE TABLE of a target as the query needs it.
func createTarget(s pool.Server, t *row.Table) string {
	if t.Declared != nil {
		return createDeclared(s, t)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (", sqltext.AppendTableName(nil, t))
	var shown, hidden []string
	for i := range t.Columns {
		if c := &t.Columns[i]; i < t.Keys && c.Nullable {
			typ := columnType(s, t, i, keyText(t))
			shown = append(shown, nullKeyShown(c, typ))
			hidden = append(hidden, nullKeyValue(s, c, typ), nullKeyFlag(s, c))
		} else if c.Hidden {
			hidden = append(hidden, columnDefinition(s, t, i))
		} else {
			shown = append(shown, columnDefinition(s, t, i))
		}
	}
	for i := range t.Computed {
		shown = append(shown, computedDefinition(&t.Computed[i]))
	}
	for _, definition := range append(shown, hidden...) {
		b.WriteString("\n  " + definition + ",")
	}
	b.WriteString("\n  PRIMARY KEY (")
	separator := ""
	for i := range t.Keys {
		for _, name := range t.Columns[i].StoredKey() {
			fmt.Fprintf(&b, "%s%s", separator, sqltext.AppendName(nil, name))
			separator = ", "
		}
	}
	b.WriteString(")\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
	return b.String()
}

// columnDefinition returns the definition of the i-th column for CREATE TABLE and ADD COLUMN.
func columnDefinition(s pool.Server, t *row.Table, i int) string {
	c := &t.Columns[i]
	text := fmt.Sprintf("%s %s", sqltext.AppendName(nil, c.Name), columnType(s, t, i, keyText(t)))
	if !nullable(t, i) {
		text += " NOT NULL"
	}
	if c.Hidden {
		switch { // MariaDB requires a default of an invisible column that is NOT NULL
		case nullable(t, i):
		case c.Kind == row.Datetime:
			text += " DEFAULT '2000-01-01 00:00:00'"
		case !c.IsState() && !c.Traits().Orders:
			text += " DEFAULT 0"
		case s.Dialect == pool.MariaDB:
			text += " DEFAULT ''" // MySQL rejects it
		}
		text += invisible(s)
	}
	return text
}

// invisible returns the attribute of a column that SELECT * leaves out, on the servers that have it.
func invisible(s pool.Server) string {
	switch s.Dialect {
	case pool.MariaDB:
		return " INVISIBLE"
	case pool.MySQL:
		return " /*!80023 INVISIBLE */" // older servers take it for a comment
	}
	return ""
}

// computedDigits is the most digits of a computed column, the most that a DECIMAL can have: a value that exceeds its
// column makes the statement fail that writes the row.
const computedDigits = 65

// computedDefinition returns the definition of a computed column for CREATE TABLE and ADD COLUMN.
func computedDefinition(c *row.Computed) string {
	return fmt.Sprintf("%s DECIMAL(%d,%d) GENERATED ALWAYS AS (%s) VIRTUAL", sqltext.AppendName(nil, c.Name), computedDigits, c.Scale, c.SQL)
}

// nullable reports whether a column is created so that it can be NULL.
func nullable(t *row.Table, i int) bool { return i >= t.Keys && t.Columns[i].Nullable }

// keyText returns the largest number of characters of each text in the key with which the key fits an index.
func keyText(t *row.Table) int {
	chars, open := t.KeyChars()
	if open == 0 {
		return 0
	}
	return max(chars, 1)
}

func columnType(s pool.Server, t *row.Table, i, texts int) string {
	c := &t.Columns[i]
	switch c.Kind {
	case row.Int:
		if c.Traits().Bits {
			return "BIGINT UNSIGNED"
		}
		return "BIGINT"
	case row.Decimal:
		precision := c.Precision
		if precision == 0 {
			precision = 38
		}
		return fmt.Sprintf("DECIMAL(%d,%d)", precision, c.Scale)
	case row.Double:
		return "DOUBLE"
	case row.Datetime:
		if c.Scale == 0 {
			return "DATETIME"
		}
		return fmt.Sprintf("DATETIME(%d)", c.Scale)
	case row.Text:
		if i < t.Keys {
			if c.MaxChars > 0 {
				texts = c.MaxChars
			}
			return binaryText(s, texts)
		}
		if c.Traits().Once || c.Traits().Follows || c.IsChosen() {
			return sizedText(s, "MEDIUM")
		}
		return sizedText(s, "")
	}
	if i < t.Keys {
		return fmt.Sprintf("VARBINARY(%d)", 4*texts)
	}
	if c.Traits().Once || c.IsState() {
		return "MEDIUMBLOB"
	}
	return "BLOB"
}

// sizedText returns the type of texts outside the key: TEXT or MEDIUMTEXT. They are compared by bytes, too.
func sizedText(s pool.Server, size string) string {
	typ, collation, _ := strings.Cut(binaryText(s, 1), " ")
	if strings.HasPrefix(typ, "VARBINARY") {
		return size + "BLOB"
	}
	return size + "TEXT " + collation
}

// CreateSQL returns the statements that create a target and its view, each followed by an empty line. The types are those
// of MySQL 8 for the zero Server.
func CreateSQL(s pool.Server, t *row.Table) string {
	text := createTarget(s, t) + ";\n\n"
	if t.View != nil {
		text += createView(t, false) + ";\n\n"
	}
	return text
}

// DDL returns every CREATE and GRANT that the job needs, as text for an operator to run. The types are those of the
// last connected server, or MySQL 8's if there was none.
func (c *Checker) DDL(want []row.Table) string {
	server, _ := c.pool.Server()
	var b strings.Builder
	for _, o := range c.ownTables(server) {
		b.WriteString(o.create() + ";\n\n")
	}
	for i := range want {
		b.WriteString(CreateSQL(server, &want[i]))
	}
	b.WriteString("-- Run this in the database of " + option.Ref("mysql-dsn") + ". Replace 'etl'@'%' with the user of etl.\n")
	for _, o := range c.ownTables(server) {
		rights := "SELECT, INSERT, UPDATE"
		if o.name == sqltext.DeadLetterTable || o.name == sqltext.DedupTable {
			rights += ", DELETE"
		}
		fmt.Fprintf(&b, "GRANT %s ON %s TO 'etl'@'%%';\n", rights, o.name)
	}
	for i := range want {
		rights := "SELECT, INSERT, UPDATE"
		if c.options.Retain[want[i].FullName()] > 0 {
			rights += ", DELETE"
		}
		fmt.Fprintf(&b, "GRANT %s ON %s TO 'etl'@'%%';\n", rights, sqltext.AppendTableName(nil, &want[i]))
		if want[i].View != nil {
			shown := want[i].Shown()
			fmt.Fprintf(&b, "GRANT SELECT, SHOW VIEW ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &shown))
		}
	}
	for _, t := range c.options.Joined {
		fmt.Fprintf(&b, "GRANT SELECT ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &row.Table{Schema: t.Schema, Name: t.Name}))
	}
	b.WriteString("-- Optional: lets etl see triggers, which may change rows before they are written.\n")
	for i := range want {
		fmt.Fprintf(&b, "-- GRANT TRIGGER ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &want[i]))
	}
	create := "CREATE"
	if slices.ContainsFunc(want, func(t row.Table) bool { return t.View != nil }) {
		create += ", CREATE VIEW"
	}
	b.WriteString("-- Only if etl is to create missing tables itself (" + option.Ref("create-tables") + "):\n-- GRANT " + create + " ON * TO 'etl'@'%';\n")
	b.WriteString("-- Only if etl is to add columns to its own tables after an upgrade (" + option.Ref("create-tables") + "):\n")
	fmt.Fprintf(&b, "-- GRANT ALTER ON %s TO 'etl'@'%%';\n", sqltext.DeadLetterTable)
	for i := range want {
		if c.options.Evolve {
			fmt.Fprintf(&b, "GRANT ALTER ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &want[i]))
		}
	}
	return b.String()
}
