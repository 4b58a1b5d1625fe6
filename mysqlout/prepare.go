package mysqlout

import (
	"context"
	"errors"
	"slices"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/row"
)

// Prepare creates missing tables if Config.CreateTables is set, adds missing columns if Config.EvolveTable is set, and then
// checks all of them, always: another process may have created one with other columns. It returns the tables that exist,
// in the order of want, with the bounds of the real columns. Findings that forbid a start are returned as one ErrRefused;
// warnings are logged.
func (s *Sink) Prepare(ctx context.Context, want []row.Table) ([]row.Table, error) {
	if s.config.CreateTables {
		if err := s.schema.Create(ctx, want); err != nil {
			return nil, s.failed("create tables", err)
		}
	}
	if s.config.EvolveTable {
		if err := s.evolve(ctx, want); err != nil {
			return nil, err
		}
	}
	found, err := s.inspect(ctx, want, s.schema.Check)
	if err != nil {
		return nil, err
	}
	var refusals []error
	for _, f := range found.Findings {
		if f.Warning {
			s.log.Warn("Table or server check warning", "subject", f.Subject, "seen", f.Seen, "do", f.Do)
		} else {
			refusals = append(refusals, errors.New(f.String()))
		}
	}
	if refusals != nil {
		return nil, &checkpoint.Error{Class: checkpoint.ErrRefused, Err: errors.Join(refusals...)}
	}
	s.bind(want, found)
	return tablesOf(found.Tables), nil
}

func tablesOf(found []schema.Table) []row.Table {
	out := make([]row.Table, len(found))
	for i := range found {
		out[i] = found[i].Table
	}
	return out
}

// bind makes the tables that were found the targets of commits.
func (s *Sink) bind(want []row.Table, found *schema.Report) {
	targets, own := map[string]*target{}, map[string]*target{}
	for _, t := range found.Tables {
		targets[t.FullName()] = newTarget(t.Table)
		targets[t.FullName()].definition, targets[t.FullName()].index = t.Definition, t.Index
		targets[t.FullName()].view = t.View
	}
	for name, text := range found.Own {
		own[name] = &target{table: row.Table{Name: name}, definition: text}
	}
	if s.config.Dedup {
		targets[sqltext.DedupTable] = newTarget(ledger.DedupTable())
		targets[sqltext.DedupTable].definition = found.Own[sqltext.DedupTable]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.targets, s.own, s.stale = slices.Clone(want), targets, own, false
}

// inspect inspects tables and server with check, and stores what later statements depend on.
func (s *Sink) inspect(ctx context.Context, want []row.Table, check func(context.Context, []row.Table) (*schema.Report, error)) (*schema.Report, error) {
	found, err := check(ctx, want)
	if err != nil {
		return nil, s.failed("check tables", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.details = found.Names, found.Details
	if found.Packet > 0 {
		s.packet = found.Packet
	}
	return found, nil
}
