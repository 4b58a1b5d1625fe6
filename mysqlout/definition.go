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

// A table can be altered while rows are written to it. Another character set would merge keys that differ, a dropped or
// an added unique key would split or merge rows, a smaller scale would round each batch's sum, a trigger can write other
// values. So each transaction compares the definition of each table that it writes with the one that was judged, and of
// each table whose columns made dead letters.
//
// Invariant: the comparison comes after a statement that takes the table's metadata lock, and before the transaction
// writes anything. The transaction holds the lock until it ends. So an ALTER TABLE, a RENAME or a CREATE TRIGGER either
// came before the comparison, and is seen, or waits until the transaction has ended. A comparison without the lock would
// leave a gap between the two. A comparison after the first row would be too late for a table that has become MyISAM: its
// rows stay after a rollback, and so would the fence of an etl_checkpoint.
//
// The locking statement is SELECT … FOR UPDATE, although it finds no row. It takes the lock that the INSERT needs. A
// plain SELECT takes a weaker one, and an ALTER TABLE that waits between the two would be a deadlock.
//
// A crash at any point here leaves nothing: the statements only read, and COMMIT is not sent yet.
//
// Only a user with the TRIGGER privilege sees triggers. For others they are not part of the definition (etl check warns).

// compared lists the tables that a part writes, and those whose columns made its dead letters, in order of name: the
// columns may have been altered since, so that they would take the values now.
func (s *Sink) compared(part *batch.TaskBatch[row.Delta], pieces []piece) []*target {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*target{s.own[sqltext.CheckpointTable]}
	if len(part.Dead) > 0 {
		out = append(out, s.own[sqltext.DeadLetterTable])
	}
	last := ""
	for i := range part.Dead {
		if name := part.Dead[i].Table; name != last {
			out, last = append(out, s.targets[name]), name
		}
	}
	for i := range pieces {
		out = append(out, pieces[i].target)
	}
	out = slices.DeleteFunc(out, func(t *target) bool { return t == nil })
	slices.SortFunc(out, func(a, b *target) int { return strings.Compare(a.table.FullName(), b.table.FullName()) })
	return slices.Compact(out)
}

// lockUnaltered takes the metadata locks of tables until the transaction ends, and returns an error where one is not
// defined as it was judged. The transaction is then rolled back, and the tables are judged again before the next try
// (lookAgain).
func (s *Sink) lockUnaltered(ctx context.Context, tx *pool.Tx, tables []*target) error {
	none := func(func(...any) error) error { return nil }
	for _, t := range tables {
		if t.definition == "" {
			continue
		}
		if err := tx.Query(ctx, string(schema.AppendLock(nil, &t.table)), none); err != nil {
			return fmt.Errorf("lock the definition of %s: %w", t.table.FullName(), err)
		}
		now, err := schema.Definition(ctx, tx, &t.table)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", t.table.FullName(), err)
		}
		if now != t.definition {
			s.blame()
			return &checkpoint.Error{
				Class: checkpoint.ErrRetry,
				Err:   fmt.Errorf("table %s was altered after it was checked; nothing was written, and it is checked again", t.table.FullName()),
			}
		}
	}
	return nil
}

// lookAgain judges the tables again when an error has blamed them, so that a DBA's repair ends a blocked task without a
// restart, and half a repair does not (P19). A table that a start would accept is accepted: where the columns have
// changed, what is folded from then on is folded for the new ones. One task looks at a time, so that two versions of a
// table never get the same number.
func (s *Sink) lookAgain(ctx context.Context) error {
	if !s.isStale() {
		return nil
	}
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: ctx.Err()}
	}
	if !s.isStale() {
		return nil
	}
	s.mu.Lock()
	want := s.want
	s.mu.Unlock()
	found, err := s.inspect(ctx, want)
	if err != nil {
		return err
	}
	for _, f := range found.Findings {
		if !f.Warning {
			return &checkpoint.Error{Class: checkpoint.ErrBlocked, Err: fmt.Errorf("%s: %s", f.Subject, f.Seen), Hint: f.Do}
		}
	}
	if altered := s.setVersions(found.Tables); altered != "" {
		if err := s.tell(tablesOf(found.Tables)); err != nil {
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

// setVersions gives each table its version, and names one whose columns have changed.
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

func (s *Sink) tell(tables []row.Table) error {
	if s.rebind == nil {
		return errors.New("this process cannot take over other columns")
	}
	return s.rebind(tables)
}

// current refuses rows that were folded for other columns than the table has now: with another scale the server would
// round what was summed exactly, and the keys of one group would differ.
func current(t *target, r *row.Rows) error {
	if r.Table.Version == t.table.Version {
		return nil
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrStale,
		Err:   fmt.Errorf("columns of table %s were altered after this batch was folded; its records are folded again", t.table.FullName()),
	}
}
