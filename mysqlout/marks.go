package mysqlout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// The low-water mark of a target (P36) is a row of etl_retain. Windows that start before it are deleted (expire.go).
//
// Invariant: no transaction that commits writes a row of a window below the mark. A commit reads the mark with a shared
// lock, after the fence and before the first row, and keeps the lock until it ends. So while a mark moves, no transaction
// is open that has read the old one, and one that begins later reads the new one. A batch that was folded with an older
// mark, and has a row below the new one, is discarded and folded again, and then the records of this row are dead letters.
// So is a batch that was folded with a higher mark, if it has rows or dead letters of the table: the database was restored.
//
// Who reads the mark? Every owner of a partition: the claim that makes it the owner finds out whether there is a mark. The
// first mark of a target raises the epochs of the job's checkpoints in the same transaction, so an owner that knows
// nothing of the mark cannot commit, whatever options its process has.

// lowWater is the column as microseconds since 1970.
const lowWater = "1000000 * TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', low_water)"

// markRow is a row of etl_retain: the column at which the windows of a target begin, and its low-water mark.
type markRow struct {
	column string
	micros int64
}

// markRows reads etl_retain, by the names of targets that it stores.
func markRows(ctx context.Context, tx *pool.Tx) (map[string]markRow, error) {
	there := false // a database without the table has no marks, and it is not an error
	text := sqltext.AppendText([]byte("SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = "), sqltext.RetainTable)
	if err := tx.Query(ctx, string(text), func(func(...any) error) error { there = true; return nil }); err != nil || !there {
		return nil, err
	}
	stored := map[string]markRow{}
	if err := tx.Query(ctx, "SELECT table_name, window_column, "+lowWater+" FROM etl_retain", func(scan func(...any) error) error {
		var name string
		var m markRow
		err := scan(&name, &m.column, &m.micros)
		stored[name] = m
		return err
	}); err != nil {
		return nil, fmt.Errorf("read etl_retain: %w", err)
	}
	return stored, nil
}

// readMarks reads the low-water marks of the job's targets, by the full name of the target. It comes after the statements
// that lock the checkpoints of a claim.
func (s *Sink) readMarks(ctx context.Context, tx *pool.Tx) (marks map[string]int64, err error) {
	stored, err := markRows(ctx, tx)
	if err != nil {
		return nil, err
	}
	marks = map[string]int64{}
	targets, names := s.boundTargets()
	for i := range targets {
		if m, ok := stored[names.Key(&targets[i])]; ok {
			if err := checkWindow(&targets[i], m.column); err != nil {
				return nil, err
			}
			marks[targets[i].FullName()] = m.micros
		}
	}
	return marks, nil
}

// checkWindow refuses a table that has a low-water mark of a column which is not that of its windows: a changed query would
// count records of deleted windows.
func checkWindow(t *row.Table, column string) error {
	is := "the query has no windows there"
	if t.Window != nil {
		if strings.EqualFold(t.Window.Column, column) {
			return nil
		}
		is = fmt.Sprintf("for the query they begin at column %s, the first one of TUMBLE, HOP or DATE", t.Window.Column)
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused,
		Err:   fmt.Errorf("old windows of table %s were deleted by its column %s (%s), but %s", t.FullName(), column, option.Ref("retain"), is),
		Hint: fmt.Sprintf("write to another table, or make column %[1]s the first one of GROUP BY that is TUMBLE, HOP or DATE; "+
			"if the table is a new one, delete its row of etl_retain while no process runs", column),
	}
}

// adoptMarks makes commits compare, and folds use, the marks that were read. A target keeps its mark as long as the process
// runs, because another claim, whose result is older, may be adopted later. Such a claim may lower the mark that folds
// use; the next commit finds that, and corrects it.
func (s *Sink) adoptMarks(marks map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, micros := range marks {
		s.marked[name] = true
		s.targets[name].table.Window.SetLow(micros)
	}
}

// isMarked reports whether a task batch depends on the mark of a table that has one: it has rows of the table, or dead
// letters that are not its rows. The caller holds s.mu.
func (s *Sink) isMarked(tb *batch.TaskBatch[row.Delta], r *row.Rows) bool {
	name := r.Table.FullName()
	return s.marked[name] && (r.Len() > 0 || slices.ContainsFunc(tb.Dead, func(d batch.DeadLetter) bool { return d.Table == name }))
}

// compareMarks locks the marks of the tables that a task batch depends on, shared, until the transaction ends, and compares
// them with those with which the batch was folded.
func (s *Sink) compareMarks(ctx context.Context, tx *pool.Tx, tb *batch.TaskBatch[row.Delta]) error {
	var marked []*row.Rows
	var keys []string
	s.mu.Lock()
	for _, r := range tb.Delta.Tables {
		if s.isMarked(tb, r) {
			marked, keys = append(marked, r), append(keys, s.names.Key(&s.targets[r.Table.FullName()].table))
		}
	}
	s.mu.Unlock()
	if marked == nil {
		return nil
	}
	text := []byte("SELECT table_name, " + lowWater + " FROM etl_retain WHERE table_name IN (")
	for i, key := range keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = sqltext.AppendText(text, key)
	}
	text = append(text, ") ORDER BY table_name LOCK IN SHARE MODE"...)
	marks := map[string]int64{}
	if err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var name string
		var micros int64
		err := scan(&name, &micros)
		marks[name] = micros
		return err
	}); err != nil {
		return fmt.Errorf("read low-water marks: %w", err)
	}
	for i, r := range marked {
		micros, ok := marks[keys[i]]
		if !ok {
			return &checkpoint.Error{
				Class: checkpoint.ErrBlocked,
				Err:   fmt.Errorf("etl_retain has lost its row of table %s, so it is not known which windows are deleted", r.Table.FullName()),
				Hint: "processes with " + option.Ref("retain") + " insert it again; if there is none, restore the row, " +
					"or stop all processes of the job before you start them: records of deleted windows are counted again then",
			}
		}
		if err := compareMark(r, micros); err != nil {
			return err
		}
	}
	return nil
}

// compareMark returns an error if rows were folded with a mark under which the fate of their records differs. It makes
// the fold use the mark from the next batch on.
func compareMark(r *row.Rows, micros int64) error {
	w := r.Table.Window
	if w.Low() != micros {
		w.SetLow(micros)
	}
	if micros == r.Low || micros > r.Low && !hasRowBelow(r, micros) {
		return nil
	}
	// A mark that is lower than that of the fold was restored with the database: records became dead letters that can be
	// counted.
	return &checkpoint.Error{
		Class: checkpoint.ErrStale,
		Err: fmt.Errorf("the windows of table %s before %s are deleted, which was not known when this batch was folded; its records are folded again",
			r.Table.FullName(), time.UnixMicro(micros).UTC().Format(time.DateTime)),
	}
}

// hasRowBelow reports whether a row is of a window that starts before an instant.
func hasRowBelow(r *row.Rows, micros int64) bool {
	for i := range r.Len() {
		if at, ok := r.WindowOf(i); ok && at < micros {
			return true
		}
	}
	return false
}
