package schema

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// counter matches the table option that changes with each insert.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// Definition reads how a table is defined: columns with their character sets, keys, options, partitions, triggers. It
// is "" in the embedded database, which no other process alters. Everything except the triggers is read by SHOW CREATE
// TABLE, because information_schema takes longer, and MySQL does not lock what it reads there.
func Definition(ctx context.Context, tx *pool.Tx, t *row.Table) (text string, err error) {
	if tx.Server.Dialect == pool.Embedded {
		return "", nil
	}
	var name, characters, collation string
	err = tx.Query(ctx, string(sqltext.AppendTableName([]byte("SHOW CREATE TABLE "), t)), func(scan func(...any) error) error {
		if scan(&name, &text) == nil {
			return nil
		}
		return scan(&name, &text, &characters, &collation) // a view that has replaced the table
	})
	if err != nil {
		return "", err
	}
	triggers, err := readTriggers(ctx, tx, t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(counter.ReplaceAllString(text, ""))
	for _, r := range triggers {
		fmt.Fprintf(&b, "\ntrigger %s %s %s %s: %s", r.name, r.timing, r.event, r.mode, r.body)
	}
	return b.String(), nil
}

// inspectWhole inspects a table and reads its definition. Both are of one state of the table, because the definition is
// read before and after.
func inspectWhole(ctx context.Context, tx *pool.Tx, t *row.Table) (f *found, text string, err error) {
	if f, err = inspect(ctx, tx, t); err == nil && f.kind == systemVersioned {
		f.definition, err = Definition(ctx, tx, t)
		return f, "", err
	}
	if err != nil || f.kind != "BASE TABLE" {
		return f, "", err
	}
	if text, err = Definition(ctx, tx, t); err != nil {
		return nil, "", err
	}
	if f, err = inspect(ctx, tx, t); err != nil {
		return nil, "", err
	}
	f.definition = text
	again, err := Definition(ctx, tx, t)
	if err == nil && again != text {
		err = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("table %s was altered during the check", t.FullName())}
	}
	return f, text, err
}

// AppendLock appends the statement that takes the table's metadata lock. It reads and locks no row.
func AppendLock(dst []byte, t *row.Table) []byte {
	return append(sqltext.AppendTableName(append(dst, "SELECT 1 FROM "...), t), " WHERE FALSE FOR UPDATE"...)
}
