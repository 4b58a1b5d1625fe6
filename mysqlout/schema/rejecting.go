package schema

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// rejecting describes what makes a table reject some rows and accept others, apart from the types of its columns.
type rejecting struct {
	partitions       string // RANGE, LIST, …; empty if the table has no partitions
	partitionColumns int    // number of columns, or expressions, that choose a partition
	catchAll         bool   // one partition takes every value that no other one takes
	timestampMax     int64  // the last instant of a TIMESTAMP, in microseconds; 0 if it is the usual one
}

// foreignKey is a foreign key of the table.
type foreignKey struct {
	name, parent     string
	onUpdate, delete string // RESTRICT, CASCADE, …
}

// changesRows reports whether a change of a parent row changes or deletes rows of the table.
func (k *foreignKey) changesRows() bool {
	harmless := func(rule string) bool { return rule == "RESTRICT" || rule == "NO ACTION" }
	return !harmless(k.onUpdate) || !harmless(k.delete)
}

// The range of TIMESTAMP in a session whose time zone is UTC. Zero, the instant 1970-01-01 00:00:00, has another
// meaning.
var (
	timestampMin  = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC).UnixMicro()
	timestampMax  = time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).UnixMicro() - 1
	timestamp2106 = time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC).UnixMicro() - 1
)

// readRejecting reads the description from the server; where is the condition on the columns of information_schema that
// hold a schema's and a table's name.
func (r *rejecting) readRejecting(ctx context.Context, tx *pool.Tx, where func(schema, name string) string) error {
	if tx.Server.Dialect == pool.MariaDB && tx.Server.AtLeast(11, 5) {
		// The range of 64-bit builds ends in 2106.
		err := tx.Query(ctx, "SELECT COALESCE(UNIX_TIMESTAMP('2106-02-07 06:28:15'), 0) > 0", func(scan func(...any) error) error {
			var long bool
			err := scan(&long)
			if long {
				r.timestampMax = timestamp2106
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	err := tx.Query(ctx, "SELECT COALESCE(partition_method, ''), COALESCE(partition_description, ''), COALESCE(partition_expression, '') FROM information_schema.partitions"+
		where("table_schema", "table_name"), func(scan func(...any) error) error {
		var method, values, by string
		err := scan(&method, &values, &by)
		if strings.HasSuffix(method, "COLUMNS") {
			r.partitionColumns = strings.Count(by, ",") + 1
		}
		r.partitions = strings.ToUpper(method)
		// Tuples compare by their first element first.
		r.catchAll = r.catchAll || strings.HasPrefix(values, "MAXVALUE")
		return err
	})
	return err
}

// foreignKeyLine matches a foreign key in SHOW CREATE TABLE. In information_schema, few users can see foreign keys.
var foreignKeyLine = regexp.MustCompile("(?m)^  CONSTRAINT (`(?:[^`]|``)+`) FOREIGN KEY .*? REFERENCES ((?:`(?:[^`]|``)+`\\.)?`(?:[^`]|``)+`) (.*)$")

// foreignKeysOf parses the foreign keys in a table's definition.
func foreignKeysOf(definition string) (keys []foreignKey) {
	for _, m := range foreignKeyLine.FindAllStringSubmatch(definition, -1) {
		k := foreignKey{name: unquoted(m[1]), parent: strings.ReplaceAll(m[2], "`", ""), onUpdate: "RESTRICT", delete: "RESTRICT"}
		for _, rule := range []string{"CASCADE", "SET NULL", "SET DEFAULT"} {
			if strings.Contains(m[3], "ON UPDATE "+rule) {
				k.onUpdate = rule
			}
			if strings.Contains(m[3], "ON DELETE "+rule) {
				k.delete = rule
			}
		}
		keys = append(keys, k)
	}
	return keys
}

// defaultPartition matches MariaDB's DEFAULT partition of a LIST in SHOW CREATE TABLE. information_schema gives it the
// value 0.
var defaultPartition = regexp.MustCompile("(?m)^[ (]+PARTITION `(?:[^`]|``)+` DEFAULT")

// rejects warns of properties that turn otherwise valid records into dead letters.
func (j *tableChecker) rejects() {
	name := j.want.FullName()
	if p := j.found.partitions; (strings.HasPrefix(p, "RANGE") || strings.HasPrefix(p, "LIST")) && !j.found.catchAll && !defaultPartition.MatchString(j.found.definition) {
		j.warn(name, j.addCatchAll(), "it is partitioned by %s, and no partition takes all other values: records with such values become dead letters", p)
	}
	keys := foreignKeysOf(j.found.definition)
	for i := range keys {
		k := &keys[i]
		do := j.alter("DROP FOREIGN KEY %s", sqltext.AppendName(nil, k.name))
		if k.changesRows() {
			j.refuse(name, do, "its foreign key %s (%s) is ON UPDATE %s, ON DELETE %s: a change of the parent row would change or delete counted rows",
				k.name, k.parent, k.onUpdate, k.delete)
			continue
		}
		j.warn(name, do, "it has the foreign key %s (%s): records whose parent row is missing become dead letters", k.name, k.parent)
	}
}
