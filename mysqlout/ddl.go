package mysqlout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// binaryText is the type of strings that are compared by their bytes and never padded.
func binaryText(s pool.Server, characters int) string {
	switch {
	case s.Dialect == pool.MariaDB:
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", characters)
	case s.Dialect == pool.MySQL && s.Version != "" && !s.AtLeast(8, 0):
		return fmt.Sprintf("VARBINARY(%d)", 4*characters)
	}
	return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin", characters)
}

// ownTable is one of the tables that are an interface: operators and tests read them.
type ownTable struct {
	name    string
	columns []string // name and type
	later   []string // columns that tables of older releases lack, each with a default
	key     string
	index   string // another index, empty for none
}

// ownTables is those that the job needs, in the types of that server.
func (s *Sink) ownTables(server pool.Server) []ownTable {
	tables := everyJobs(server)
	if s.config.Dedup {
		tables = append(tables, ownTable{name: sqltext.DedupTable, columns: []string{
			"job " + binaryText(server, sqltext.MaxJob) + " NOT NULL",
			"topic " + binaryText(server, sqltext.MaxTopic) + " NOT NULL",
			"partition_id INT NOT NULL",
			"id BINARY(16) NOT NULL",
			"record_offset BIGINT NOT NULL",
			"record_timestamp BIGINT NOT NULL",
		}, key: "job, topic, partition_id, id", index: "job, topic, partition_id, record_offset"})
	}
	return tables
}

func everyJobs(s pool.Server) []ownTable {
	job, topic := binaryText(s, sqltext.MaxJob), binaryText(s, sqltext.MaxTopic)
	counter := " BIGINT NOT NULL DEFAULT 0"
	return []ownTable{
		{name: "etl_checkpoint", columns: []string{
			"job " + job + " NOT NULL",
			"topic " + topic + " NOT NULL",
			"partition_id INT NOT NULL",
			"topic_id BINARY(16) NOT NULL",
			"leader_epoch INT NOT NULL DEFAULT -1",
			"next_offset BIGINT NOT NULL",
			"epoch BIGINT NOT NULL",
			"owner BINARY(16) NOT NULL",
			"connection_id BIGINT UNSIGNED NOT NULL DEFAULT 0",
			"batch_id BINARY(16) NOT NULL",
			"query_hash BINARY(32) NOT NULL",
			"first_offset BIGINT NOT NULL",
			"counted" + counter,
			"filtered" + counter,
			"dead" + counter,
			"gaps" + counter,
			"duplicates" + counter,
			"skipped" + counter,
			"updated_at DATETIME(6) NOT NULL",
		}, key: "job, topic, partition_id"},
		{name: "etl_target", columns: []string{
			"table_name " + binaryText(s, sqltext.MaxName) + " NOT NULL",
			"job " + job + " NOT NULL",
			"query_hash BINARY(32) NOT NULL",
			"query_text MEDIUMTEXT NOT NULL",
			"since DATETIME(6) NOT NULL",
		}, key: "table_name"},
		{name: sqltext.DeadLetterTable, columns: []string{
			"job " + job + " NOT NULL",
			"topic " + topic + " NOT NULL",
			"partition_id INT NOT NULL",
			"record_offset BIGINT NOT NULL",
			"batch_id BINARY(16) NOT NULL",
			"statement INT NOT NULL",
			"kind " + binaryText(s, 16) + " NOT NULL",
			"table_name " + binaryText(s, sqltext.MaxName) + " NOT NULL",
			"reason " + binaryText(s, sqltext.MaxReason) + " NOT NULL",
			"value MEDIUMBLOB NOT NULL",
			"value_length BIGINT NOT NULL",
			"records BIGINT NOT NULL DEFAULT 1",
			"next_offset BIGINT NOT NULL",
			"at DATETIME(6) NOT NULL",
		}, later: []string{
			sqltext.DetailColumn + " " + binaryText(s, sqltext.MaxDetail) + " NOT NULL DEFAULT ''",
		}, key: "job, topic, partition_id, record_offset, batch_id, statement"},
	}
}

func (o ownTable) create() string {
	index := ""
	if o.index != "" {
		index = ",\n  KEY (" + o.index + ")"
	}
	return "CREATE TABLE IF NOT EXISTS " + o.name + " (\n  " + strings.Join(append(slices.Clone(o.columns), o.later...), ",\n  ") +
		",\n  PRIMARY KEY (" + o.key + ")" + index + "\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
}

// add is the ALTER TABLE that adds a column of a later release.
func (o ownTable) add(column string) string { return "ALTER TABLE " + o.name + " ADD COLUMN " + column }

// createTarget is the CREATE TABLE of a target as the query wants it.
func createTarget(s pool.Server, t *row.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (", sqltext.AppendTableName(nil, t))
	texts := keyText(t)
	for i := range t.Columns {
		c := &t.Columns[i]
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n  %s %s", sqltext.AppendName(nil, c.Name), columnType(s, t, i, texts))
		if !nullable(t, i) {
			b.WriteString(" NOT NULL")
		}
	}
	b.WriteString(",\n  PRIMARY KEY (")
	for i := range t.Keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(sqltext.AppendName(nil, t.Columns[i].Name))
	}
	b.WriteString(")\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
	return b.String()
}

// nullable reports whether a column is created so that it can be NULL.
func nullable(t *row.Table, i int) bool { return i >= t.Keys && t.Columns[i].Nullable }

// keyText is how many characters each text of the key may have, such that the key fits an index.
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
		if c.Traits().Once {
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

// sizedText is the type of texts outside the key: TEXT or MEDIUMTEXT, compared by bytes too.
func sizedText(s pool.Server, size string) string {
	typ, collation, _ := strings.Cut(binaryText(s, 1), " ")
	if strings.HasPrefix(typ, "VARBINARY") {
		return size + "BLOB"
	}
	return size + "TEXT " + collation
}

// DDL is every CREATE and GRANT that the job needs, as text for a person to run. Types are those of the server that was
// connected to last, MySQL 8's before that.
func (s *Sink) DDL(want []row.Table) string {
	server, _ := s.pool.Server()
	var b strings.Builder
	for _, o := range s.ownTables(server) {
		b.WriteString(o.create() + ";\n\n")
	}
	for i := range want {
		b.WriteString(createTarget(server, &want[i]) + ";\n\n")
	}
	b.WriteString("-- All this is for the database that etl is given. Put its user in place of 'etl'@'%'.\n")
	for _, o := range s.ownTables(server) {
		rights := "SELECT, INSERT, UPDATE"
		if o.name == sqltext.DeadLetterTable || o.name == sqltext.DedupTable {
			rights += ", DELETE"
		}
		fmt.Fprintf(&b, "GRANT %s ON %s TO 'etl'@'%%';\n", rights, o.name)
	}
	for i := range want {
		fmt.Fprintf(&b, "GRANT SELECT, INSERT, UPDATE ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &want[i]))
	}
	b.WriteString("-- Optional: without it etl cannot see triggers, which may change rows before they are written.\n")
	for i := range want {
		fmt.Fprintf(&b, "-- GRANT TRIGGER ON %s TO 'etl'@'%%';\n", sqltext.AppendTableName(nil, &want[i]))
	}
	b.WriteString("-- Only where etl is to make the missing tables itself (--create-tables):\n-- GRANT CREATE ON * TO 'etl'@'%';\n")
	b.WriteString("-- Only where etl is to add columns to its own tables after an upgrade (--create-tables):\n")
	fmt.Fprintf(&b, "-- GRANT ALTER ON %s TO 'etl'@'%%';\n", sqltext.DeadLetterTable)
	return b.String()
}
