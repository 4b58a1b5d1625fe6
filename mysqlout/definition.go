package mysqlout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A table can be altered while rows are written to it. Another character set would merge keys that differ; a dropped or
// an added unique key would split or merge rows; a smaller scale would round the sum of each batch; a trigger can write
// other values. So each transaction compares the definition of each table that it writes with the one that was checked,
// and that of each table whose columns caused dead letters.
//
// Invariant: the comparison comes after a statement that takes the table's metadata lock, and before the transaction
// writes anything. The transaction holds the lock until it ends. So an ALTER TABLE, a RENAME or a CREATE TRIGGER either
// came before the comparison, which finds it, or waits until the transaction has ended. A comparison without the lock
// would leave a gap between the two. A comparison after the first row would be too late for a table that has become
// MyISAM: its rows stay after a rollback, and so would the fence of an etl_checkpoint.
//
// The locking statement is SELECT … FOR UPDATE, although it finds no row. It takes the lock that the INSERT needs. A
// plain SELECT takes a weaker lock. An ALTER TABLE that starts waiting between the SELECT and the INSERT would then
// cause a deadlock.
//
// A crash at any point here leaves nothing: the statements only read, and COMMIT is not sent yet.
//
// A view through which clients read a table is compared, too, so that they do not read another query's results for long.
// It is not locked, because it decides nothing that is written: one that is altered after the comparison is found by the
// next transaction.
//
// Only a user with the TRIGGER privilege sees triggers. For other users they are not part of the definition (etl check
// warns).

// comparedTables lists the tables that a task batch writes, and those whose columns caused its dead letters, in order
// of name. If these columns have been altered, they might accept the values now.
func (s *Sink) comparedTables(tb *batch.TaskBatch[row.Delta], tables []tableRows) []*target {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*target{s.own[sqltext.CheckpointTable]}
	if len(tb.Dead) > 0 {
		out = append(out, s.own[sqltext.DeadLetterTable])
	}
	last := ""
	for i := range tb.Dead {
		if name := tb.Dead[i].Table; name != last {
			out, last = append(out, s.targets[name]), name
		}
	}
	for i := range tables {
		out = append(out, tables[i].target)
	}
	if slices.ContainsFunc(tb.Delta.Tables, func(r *row.Rows) bool { return s.isMarked(tb, r) }) {
		out = append(out, s.own[sqltext.RetainTable]) // nil if it was not checked, because this process deletes nothing
	}
	out = slices.DeleteFunc(out, func(t *target) bool { return t == nil })
	slices.SortFunc(out, func(a, b *target) int { return strings.Compare(a.table.FullName(), b.table.FullName()) })
	return slices.Compact(out)
}

// lockUnaltered takes the metadata locks of tables until the transaction ends. It returns an error if a definition is
// not the one that was checked. The caller then rolls the transaction back, and refreshSchema checks the tables again
// before the next try.
func (s *Sink) lockUnaltered(ctx context.Context, tx *pool.Tx, tables []*target) error {
	none := func(func(...any) error) error { return nil }
	for _, t := range tables {
		if t.definition == "" {
			continue
		}
		if err := tx.Query(ctx, string(schema.AppendLock(nil, &t.table)), none); err != nil {
			return fmt.Errorf("lock the definition of %s: %w", t.table.FullName(), err)
		}
		if err := s.compareDefinition(ctx, tx, &t.table, t.definition); err != nil {
			return err
		}
		if shown := t.table.Shown(); t.view != "" {
			if err := s.compareDefinition(ctx, tx, &shown, t.view); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareDefinition returns an error if the definition of a table or view is not the one that was checked.
func (s *Sink) compareDefinition(ctx context.Context, tx *pool.Tx, t *row.Table, checked string) error {
	now, err := schema.Definition(ctx, tx, t)
	if err != nil {
		return fmt.Errorf("read the definition of %s: %w", t.FullName(), err)
	}
	if now == checked {
		return nil
	}
	s.markSchemaStale()
	return &checkpoint.Error{
		Class: checkpoint.ErrRetry,
		Err:   fmt.Errorf("table %s was altered after it was checked; nothing was written, and it is checked again", t.FullName()),
	}
}

// refreshSchema checks the tables again after markSchemaStale, so that a complete repair by a DBA unblocks a task
// without a restart, and an incomplete one does not (P19). It accepts a table that a start would accept. If columns
// have changed, records are folded for the new columns from then on. One task checks at a time, so that two versions of
// a table never get the same number.
func (s *Sink) refreshSchema(ctx context.Context) error {
	if !s.isStale() {
		return nil
	}
	select {
	case s.refreshing <- struct{}{}:
		defer func() { <-s.refreshing }()
	case <-ctx.Done():
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: ctx.Err()}
	}
	if !s.isStale() {
		return nil
	}
	s.mu.Lock()
	want := s.want
	s.mu.Unlock()
	found, err := s.inspect(ctx, want, s.schema.CheckWritten)
	if err != nil {
		return err
	}
	for _, f := range found.Findings {
		if !f.Warning {
			return &checkpoint.Error{Class: checkpoint.ErrBlocked, Err: fmt.Errorf("%s: %s", f.Subject, f.Seen), Hint: f.Do}
		}
	}
	if altered := s.setVersions(found.Tables); altered != "" {
		if err := s.rebindTables(tablesOf(found.Tables)); err != nil {
			return &checkpoint.Error{
				Class: checkpoint.ErrBlocked, Err: fmt.Errorf("columns of table %s were altered: %w", altered, err),
				Hint: "restore the columns, or restart the process",
			}
		}
	}
	s.bind(want, found)
	s.log.Info("Tables checked again; they match the query")
	return nil
}

func (s *Sink) isStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale
}

// setVersions sets the version of each table, and returns the name of one whose columns have changed.
func (s *Sink) setVersions(tables []schema.Table) (altered string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range tables {
		was := s.targets[tables[i].FullName()]
		tables[i].Version = was.table.Version
		if !slices.Equal(was.table.Columns, tables[i].Columns) {
			tables[i].Version++
			altered = tables[i].FullName()
		}
	}
	return altered
}

func (s *Sink) rebindTables(tables []row.Table) error {
	if s.rebind == nil {
		return errors.New("this process cannot take over other columns")
	}
	return s.rebind(tables)
}

// checkVersion rejects rows that were folded for other columns than those that the table has now. With another scale
// the server would round sums that are exact, and the keys of one group would differ.
func checkVersion(t *target, r *row.Rows) error {
	if r.Table.Version == t.table.Version {
		return nil
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrStale,
		Err:   fmt.Errorf("columns of table %s were altered after this batch was folded; its records are folded again", t.table.FullName()),
	}
}
