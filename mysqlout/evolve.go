package mysqlout

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// evolve adds the columns that the tables lack, if the job may change them.
func (s *Sink) evolve(ctx context.Context, want []row.Table) error {
	tables, err := s.Evolvable(ctx, want)
	if err != nil {
		return err
	}
	if err := s.schema.Evolve(ctx, tables); err != nil {
		return s.failed("add columns", err)
	}
	return nil
}

// Evolvable returns the tables that the job may change, and changes none: those that it writes already, and those that it
// may begin to write. It refuses what CheckStart would refuse later: a query that has changed (P2) and a table of another
// job (P3), because columns that are added stay.
func (s *Sink) Evolvable(ctx context.Context, want []row.Table) (may []row.Table, err error) {
	const doing = "check whether the job may change its tables"
	found, err := s.inspect(ctx, want, s.schema.Check)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(found.Findings, func(f schema.Finding) bool {
		return f.Missing() && (f.Subject == sqltext.CheckpointTable || f.Subject == sqltext.TargetTable)
	}) {
		return nil, nil // the check of the tables refuses the start
	}
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return nil, s.failed(doing, err)
	}
	defer tx.Rollback(ctx)
	if err := s.sameQuery(ctx, tx); err != nil {
		return nil, s.failed(doing, err)
	}
	for i := range want {
		if slices.ContainsFunc(found.Findings, func(f schema.Finding) bool { return f.Missing() && f.Subject == want[i].FullName() }) {
			continue // the check of the tables refuses the start
		}
		if ok, err := s.mayEvolve(ctx, tx, found.Names, &want[i]); err != nil {
			return nil, s.failed(doing, err)
		} else if ok {
			may = append(may, want[i])
		}
	}
	return may, nil
}

// sameQuery refuses a query other than that of the job's checkpoints, or of those of the topic if the job reads several.
func (s *Sink) sameQuery(ctx context.Context, tx *pool.Tx) error {
	if s.config.ContinueQuery {
		return nil
	}
	var stored []byte
	text := sqltext.AppendText([]byte("SELECT query_hash FROM etl_checkpoint WHERE job = "), s.config.Job)
	if s.config.Topic != "" {
		text = sqltext.AppendText(append(text, " AND topic = "...), s.config.Topic)
	}
	text = sqltext.AppendBytes(append(text, " AND query_hash <> "...), s.config.QueryHash[:])
	err := tx.Query(ctx, string(append(text, " LIMIT 1"...)), func(scan func(...any) error) error { return scan(&stored) })
	if err != nil {
		return fmt.Errorf("read etl_checkpoint: %w", err)
	}
	if stored != nil {
		return s.otherQuery(ctx, tx, nil, [32]byte(stored))
	}
	return nil
}

// mayEvolve reports whether the job may change a table: one of its own, or an empty one of no job.
func (s *Sink) mayEvolve(ctx context.Context, tx *pool.Tx, names schema.Naming, t *row.Table) (bool, error) {
	if s.config.Adopt {
		return true, nil
	}
	owned := false
	err := tx.Query(ctx, "SELECT table_name, job FROM etl_target WHERE table_name <> ''", func(scan func(...any) error) error {
		var name, job string
		if err := scan(&name, &job); err != nil || !names.IsStored(t, name) {
			return err
		}
		if owned = true; job != s.config.Job {
			return s.belongsTo(t, job)
		}
		return nil
	})
	if err != nil || owned {
		return owned, err
	}
	holds, err := schema.HoldsRows(ctx, tx, t)
	return !holds, err
}

// belongsTo returns the error for a table of another job.
func (s *Sink) belongsTo(t *row.Table, other string) error {
	hint := "use that job's name, " + s.config.Schema().OrAdopt()
	if s.config.Replay { // which has a job of its own
		hint = "write to another table"
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused,
		Err:   fmt.Errorf("table %s belongs to job %q, this is job %q", t.FullName(), other, s.config.Job),
		Hint:  hint,
	}
}
