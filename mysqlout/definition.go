package mysqlout

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A table can be altered while rows are written to it. Another character set would merge keys that differ, a dropped or
// an added unique key would split or merge rows, and a smaller scale would round each batch's sum. So each transaction
// compares the definition of each table that it writes with the one that was judged.
//
// Invariant: the comparison comes after a statement that takes the table's metadata lock, and before the first row is
// written. The transaction holds the lock until it ends. So an ALTER TABLE or a RENAME either came before the
// comparison, and is seen, or waits until the transaction has ended. A comparison without the lock would leave a gap
// between the two. A comparison after the rows would be too late for a table that has become MyISAM: its rows stay
// after a rollback.
//
// The locking statement is SELECT … FOR UPDATE, although it finds no row. It takes the lock that the INSERT needs. A
// plain SELECT takes a weaker one, and an ALTER TABLE that waits between the two would be a deadlock.
//
// A crash at any point here leaves nothing: both statements only read, and COMMIT is not sent yet.
//
// Triggers are not compared: only users with the TRIGGER privilege see them, which etl does not need.

// judged is a target as look found it: its table with the bounds of the real columns, and its definition.
type judged struct {
	row.Table
	definition string // as SHOW CREATE TABLE prints it, without what changes by itself; "" where it is not compared
}

func tablesOf(found []judged) []row.Table {
	out := make([]row.Table, len(found))
	for i := range found {
		out[i] = found[i].Table
	}
	return out
}

// counter is the table option that changes with each insert.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// definition reads how a table is defined: columns with their character sets, keys, options, partitions. It is "" in
// the embedded database, which nobody else alters. It takes 0.1 to 0.4 ms (SHOW CREATE TABLE; information_schema takes
// longer, and MySQL does not lock what it reads there).
func definition(ctx context.Context, tx *pool.Tx, t *row.Table) (text string, err error) {
	if tx.Server.Dialect == pool.Embedded {
		return "", nil
	}
	var name string
	err = tx.Query(ctx, string(appendTableName([]byte("SHOW CREATE TABLE "), t)), func(scan func(...any) error) error {
		return scan(&name, &text)
	})
	return counter.ReplaceAllString(text, ""), err
}

// inspectWhole inspects a table and reads its definition, both of one state of the table.
func inspectWhole(ctx context.Context, tx *pool.Tx, t *row.Table) (f *found, text string, err error) {
	if f, err = inspect(ctx, tx, t); err != nil || f.kind != "BASE TABLE" {
		return f, "", err
	}
	if text, err = definition(ctx, tx, t); err != nil {
		return nil, "", err
	}
	if f, err = inspect(ctx, tx, t); err != nil {
		return nil, "", err
	}
	again, err := definition(ctx, tx, t)
	if err == nil && again != text {
		err = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("table %s was altered while it was checked", t.FullName())}
	}
	return f, text, err
}

// appendLock appends the statement that takes the table's metadata lock. It reads and locks no row.
func appendLock(dst []byte, t *row.Table) []byte {
	return append(appendTableName(append(dst, "SELECT 1 FROM "...), t), " WHERE FALSE FOR UPDATE"...)
}

// lockUnaltered takes the metadata lock of a table until the transaction ends, and returns an error where the table is
// not defined as it was judged. The transaction is then rolled back, and the table is judged again before the next try
// (lookAgain).
func (s *Sink) lockUnaltered(ctx context.Context, tx *pool.Tx, t *target) error {
	if t.definition == "" {
		return nil
	}
	none := func(func(...any) error) error { return nil }
	if err := tx.Query(ctx, string(appendLock(nil, &t.table)), none); err != nil {
		return fmt.Errorf("lock the definition of %s: %w", t.table.FullName(), err)
	}
	now, err := definition(ctx, tx, &t.table)
	if err != nil {
		return fmt.Errorf("read the definition of %s: %w", t.table.FullName(), err)
	}
	if now == t.definition {
		return nil
	}
	s.blame()
	return &checkpoint.Error{
		Class: checkpoint.ErrRetry,
		Err:   fmt.Errorf("table %s was altered since it was checked; nothing was written, and it is checked again", t.table.FullName()),
	}
}

// sameScale refuses a table whose columns keep their values in another way than those that the records of this process
// are folded for: with another scale the server would round what was summed exactly, so that sums would depend on where
// batches end.
func sameScale(was *row.Table, now *judged) error {
	for i := range now.Columns {
		c := &now.Columns[i]
		at := slices.IndexFunc(was.Columns, func(w row.Column) bool { return w.Name == c.Name })
		if at < 0 || was.Columns[at].Kind == c.Kind && was.Columns[at].Scale == c.Scale {
			continue
		}
		return &checkpoint.Error{
			Class: checkpoint.ErrBlocked,
			Err: fmt.Errorf("column %s.%s was altered: it keeps %d digits after the point, this process computes with %d",
				now.FullName(), c.Name, c.Scale, was.Columns[at].Scale),
			Hint: "restart the process to compute with the new column, or alter it back",
		}
	}
	return nil
}
