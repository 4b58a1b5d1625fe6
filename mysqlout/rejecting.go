package mysqlout

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/pool"
)

// rejecting is what makes a table reject some rows and accept others, beside its columns' types.
type rejecting struct {
	partitions   string   // RANGE, LIST, …; empty where the table has no partitions
	catchAll     bool     // a partition takes every value that no other one takes
	foreignKeys  []string // "name (parent)"
	timestampMax int64    // the last instant of a TIMESTAMP, in microseconds; 0 where it is the usual one
}

// The range of TIMESTAMP in a session whose time zone is UTC. Zero, the instant 1970-01-01 00:00:00, has another meaning.
var (
	timestampMin  = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC).UnixMicro()
	timestampMax  = time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).UnixMicro() - 1
	timestamp2106 = time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC).UnixMicro() - 1
)

// readRejecting asks the server; where makes the condition on the columns of a schema's and a table's name.
func (r *rejecting) readRejecting(ctx context.Context, tx *pool.Tx, where func(schema, name string) string) error {
	if tx.Server.Dialect == pool.MariaDB && tx.Server.AtLeast(11, 5) {
		// 64-bit builds end in 2106.
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
	err := tx.Query(ctx, "SELECT COALESCE(partition_method, ''), COALESCE(partition_description, '') FROM information_schema.partitions"+
		where("table_schema", "table_name"), func(scan func(...any) error) error {
		var method, values string
		err := scan(&method, &values)
		r.partitions = strings.ToUpper(method)
		// Tuples compare by their first part first.
		r.catchAll = r.catchAll || strings.HasPrefix(values, "MAXVALUE") || values == "DEFAULT"
		return err
	})
	if err != nil {
		return err
	}
	err = tx.Query(ctx, "SELECT constraint_name, referenced_table_name FROM information_schema.referential_constraints"+
		where("constraint_schema", "table_name"), func(scan func(...any) error) error {
		var name, parent string
		err := scan(&name, &parent)
		r.foreignKeys = append(r.foreignKeys, name+" ("+parent+")")
		return err
	})
	slices.Sort(r.foreignKeys)
	return err
}

// rejects warns of what will make dead letters of records that have nothing wrong by themselves.
func (j *judge) rejects() {
	name := j.want.FullName()
	if p := j.found.partitions; (strings.HasPrefix(p, "RANGE") || strings.HasPrefix(p, "LIST")) && !j.found.catchAll {
		do := "add a partition VALUES LESS THAN MAXVALUE"
		if strings.HasPrefix(p, "LIST") {
			do = "add a DEFAULT partition (MariaDB), or partition by RANGE"
		}
		j.warn(name, do, "it is partitioned by %s and no partition takes all other values: records with such values become dead letters", p)
	}
	if keys := j.found.foreignKeys; len(keys) > 0 {
		j.warn(name, "drop it: a counted table must have no foreign key",
			"it has the foreign key %s: records whose parent row is missing become dead letters", strings.Join(keys, ", "))
	}
}
