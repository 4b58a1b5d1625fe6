package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// ownTable is one of the job's own tables. They are a public interface: operators and tests read them.
type ownTable struct {
	name    string
	columns []string // name and type
	later   []string // columns that tables of older releases may lack, each with a default
	key     string
	index   string // another index, empty if there is none
}

// ownTables returns the tables that the job needs, in the types of that server.
func (c *Checker) ownTables(server pool.Server) []ownTable {
	tables := everyJobs(server)
	if c.options.Dedup {
		tables = append(tables, ownTable{name: sqltext.DedupTable, columns: []string{
			"job " + binaryText(server, sqltext.MaxJob) + " NOT NULL",
			"topic " + binaryText(server, sqltext.MaxTopic) + " NOT NULL",
			"partition_id INT NOT NULL",
			"id BINARY(16) NOT NULL",
			"record_offset BIGINT NOT NULL",
			"record_timestamp BIGINT NOT NULL",
		}, key: "job, topic, partition_id, id", index: "job, topic, partition_id, record_offset"})
	}
	if c.options.Replay {
		tables = append(tables, ownTable{name: sqltext.ReplayTable, columns: []string{
			"job " + binaryText(server, sqltext.MaxJob) + " NOT NULL",
			"topic " + binaryText(server, sqltext.MaxTopic) + " NOT NULL",
			"partition_id INT NOT NULL",
			"topic_id BINARY(16) NOT NULL",
			"first_offset BIGINT NOT NULL",
			"end_offset BIGINT NOT NULL",
			"stretch " + binaryText(server, sqltext.MaxText) + " NOT NULL",
			"state " + binaryText(server, 16) + " NOT NULL",
			"since DATETIME(6) NOT NULL",
		}, key: "job, topic, partition_id"})
	}
	if len(c.options.Retain) > 0 {
		tables = append(tables, ownTable{name: sqltext.RetainTable, columns: []string{
			"table_name " + binaryText(server, sqltext.MaxName) + " NOT NULL",
			"job " + binaryText(server, sqltext.MaxJob) + " NOT NULL",
			"window_column " + binaryText(server, sqltext.MaxName) + " NOT NULL",
			"low_water DATETIME NOT NULL",
			"updated_at DATETIME(6) NOT NULL",
		}, key: "table_name"})
	}
	return tables
}

func everyJobs(s pool.Server) []ownTable {
	job, topic := binaryText(s, sqltext.MaxJob), binaryText(s, sqltext.MaxTopic)
	counter := " BIGINT NOT NULL DEFAULT 0"
	return []ownTable{
		{name: sqltext.CheckpointTable, columns: []string{
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
		{name: sqltext.TargetTable, columns: []string{
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

// add returns the ALTER TABLE that adds a column of a later release.
func (o ownTable) add(column string) string { return "ALTER TABLE " + o.name + " ADD COLUMN " + column }

// check compares the table with the requirements of this release.
func (o ownTable) check(f *found) (out []Finding) {
	if f.engine == "" {
		if o.name == sqltext.ReplayTable { // etl check does not know whether a replay will run
			return []Finding{{Subject: o.name, Seen: noTable, Do: strings.Join(strings.Fields(o.create()), " ")}}
		}
		return []Finding{{Subject: o.name, Seen: noTable, Do: createIt}}
	}
	if !strings.EqualFold(f.engine, "InnoDB") {
		out = append(out, Finding{Subject: o.name, Seen: "its engine is " + f.engine + ", must be InnoDB", Do: "ALTER TABLE " + o.name + " ENGINE=InnoDB"})
	}
	for _, text := range o.columns {
		name, typ, _ := strings.Cut(text, " ")
		c := f.column(name)
		if c == nil {
			out = append(out, Finding{Subject: o.name + "." + name, Seen: "there is no such column", Do: "ALTER TABLE " + o.name + " ADD " + text})
			continue
		}
		if strings.HasPrefix(typ, "VARCHAR") && c.dataType == "varchar" && !noPadBinary(c.collation) {
			out = append(out, Finding{Subject: o.name + "." + name, Seen: "its collation is " + c.collation + ", in which different names are equal", Do: "ALTER TABLE " + o.name + " MODIFY " + text})
		}
	}
	for _, text := range o.later {
		if name, _, _ := strings.Cut(text, " "); f.column(name) == nil {
			out = append(out, Finding{Warning: true, Subject: o.name + "." + name,
				Seen: "there is no such column, as in older releases: its values are not stored", Do: o.add(text)})
		}
	}
	for i := range f.triggers {
		r := &f.triggers[i]
		if columns, _ := r.assigned(); columns != nil {
			out = append(out, Finding{Subject: o.name, Seen: "its trigger " + r.name + " changes what is written", Do: "DROP TRIGGER " + string(sqltext.AppendName(nil, r.name))})
		}
	}
	var key []string
	for _, p := range f.uniques["PRIMARY"] {
		key = append(key, p.column)
	}
	if strings.Join(key, ", ") != o.key {
		drop := ""
		if key != nil {
			drop = " DROP PRIMARY KEY,"
		}
		out = append(out, Finding{Subject: o.name, Seen: fmt.Sprintf("its primary key is (%s), must be (%s)", strings.Join(key, ", "), o.key),
			Do: "ALTER TABLE " + o.name + drop + " ADD PRIMARY KEY (" + o.key + ")"})
	}
	return out
}
