package schema

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Options is what the checks must know about the job.
type Options struct {
	Job    string
	Dedup  bool            // event IDs are stored, so the job needs etl_dedup
	Adopt  bool            // the job may begin on a target that holds rows
	Evolve bool            // a start adds columns that a target lacks
	Joined []*lookup.Table // the tables that the query joins
	Replay bool            // the job is a replay, so it needs etl_replay, and never adopts a table
	// Retain is how long the windows of tables are kept, by the full name of the table; the others keep them all.
	Retain map[string]time.Duration
}

// OrAdopt returns the last of the choices in an advice about a target that is not free.
func (o Options) OrAdopt() string {
	if o.Replay {
		return "or write to another one"
	}
	return "write to another one, or give " + option.Ref("adopt") + " once to add to the rows that it holds"
}

// Checker inspects and creates the tables of one job. It is safe for concurrent use.
type Checker struct {
	options Options
	pool    *pool.Pool
	log     *slog.Logger
}

// New returns a Checker. A nil log discards.
func New(o Options, p *pool.Pool, log *slog.Logger) *Checker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Checker{options: o, pool: p, log: log}
}

// Table is a target as Check found it.
type Table struct {
	row.Table         // with the bounds of the real columns
	Definition string // as Definition reads it, "" if it is not compared
	Index      string // the unique index of the query's key, "" if there is none
	View       string // the definition of the table's view, "" if it has none or is not compared
}

// Report is what Check found.
type Report struct {
	Findings []Finding
	Tables   []Table           // the targets, in the order of the arguments
	Own      map[string]string // definitions of the job's own tables, by name
	Names    Naming
	Details  bool // etl_dead_letter has the column detail
	Packet   int  // max_allowed_packet, 0 if it is unknown
}

// refused reports whether a finding is a reason to refuse a start.
func (r *Report) refused() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Warning })
}

// Check inspects the tables and the server, and changes nothing. Problems are in the report. An error means that a
// statement failed, so there is no report.
func (c *Checker) Check(ctx context.Context, want []row.Table) (*Report, error) {
	return c.check(ctx, want, c.options.Joined)
}

// CheckWritten is Check without the joined tables. A running job needs only the rows that it has read of them.
func (c *Checker) CheckWritten(ctx context.Context, want []row.Table) (*Report, error) {
	return c.check(ctx, want, nil)
}

func (c *Checker) check(ctx context.Context, want []row.Table, joined []*lookup.Table) (*Report, error) {
	out := &Report{Own: map[string]string{}}
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return nil, sqlerr.Classify("check tables", err)
	}
	defer tx.Rollback(ctx)
	if out.Names, err = readNaming(ctx, tx); err != nil {
		return nil, sqlerr.Classify("read how the server compares table names", err)
	}
	out.Findings = out.Names.twice(want)
	if err := c.checkOwn(ctx, tx, out); err != nil {
		return nil, err
	}
	usable := !out.refused()
	if err := c.checkTargets(ctx, tx, want, out); err != nil {
		return nil, err
	}
	for _, t := range joined {
		findings, err := CheckJoined(ctx, tx, t)
		if err != nil {
			return nil, err
		}
		out.Findings = append(out.Findings, findings...)
	}
	if err := checkServer(ctx, tx, out); err != nil {
		return nil, sqlerr.Classify("check the server", err)
	}
	if usable {
		findings, err := c.probe(ctx, tx)
		if err != nil {
			return nil, sqlerr.Classify("try a transaction", err)
		}
		out.Findings = append(out.Findings, findings...)
	}
	return out, nil
}

// checkOwn checks the job's own tables.
func (c *Checker) checkOwn(ctx context.Context, tx *pool.Tx, out *Report) error {
	for _, o := range c.ownTables(tx.Server) {
		f, text, err := inspectWhole(ctx, tx, &row.Table{Name: o.name})
		if err != nil {
			return sqlerr.Classify("check table "+o.name, err)
		}
		out.Own[o.name] = text
		out.Findings = append(out.Findings, o.check(f)...)
		if o.name == sqltext.DeadLetterTable {
			out.Details = f.column(sqltext.DetailColumn) != nil
		}
	}
	return nil
}

// checkTargets checks the tables that the query writes.
func (c *Checker) checkTargets(ctx context.Context, tx *pool.Tx, want []row.Table, out *Report) error {
	granted, err := readRights(ctx, tx)
	if err != nil {
		return sqlerr.Classify("read the user's rights", err)
	}
	begins := slices.ContainsFunc(out.Findings, func(f Finding) bool { return f.Subject == sqltext.CheckpointTable && f.Missing() })
	for i := range want {
		if ours := reserved(tx.Server, out.Names, &want[i]); ours != nil {
			out.Tables, out.Findings = append(out.Tables, Table{Table: want[i]}), append(out.Findings, *ours)
			continue
		}
		f, text, err := inspectWhole(ctx, tx, &want[i])
		if err != nil {
			return sqlerr.Classify("check table "+want[i].FullName(), err)
		}
		f.hidden = f.kind == "BASE TABLE" && !granted.seesTriggers(&want[i])
		j := tableChecker{want: &want[i], found: f, server: tx.Server}
		if j.lacksColumn() {
			if f.filled, err = HoldsRows(ctx, tx, &want[i]); err != nil {
				return sqlerr.Classify("check whether "+want[i].FullName()+" is empty", err)
			}
		}
		if c.options.Evolve {
			j.lacking = j.lackingColumns()
		}
		found := Table{Table: j.table(), Definition: text, Index: j.index}
		if c.options.Retain[want[i].FullName()] > 0 {
			if err := j.retained(ctx, tx, &found.Table); err != nil {
				return sqlerr.Classify("check whether windows of "+want[i].FullName()+" can be deleted", err)
			}
		}
		out.Findings = append(out.Findings, j.findings...)
		if want[i].View != nil {
			view, findings, err := checkView(ctx, tx, &want[i])
			if err != nil {
				return sqlerr.Classify("check the view of "+want[i].FullName(), err)
			}
			found.View = view
			out.Findings = append(out.Findings, findings...)
		}
		out.Tables = append(out.Tables, found)
		if begins && f.kind == "BASE TABLE" && !c.options.Adopt {
			rows, err := c.rowsBeforeTheFirstCheckpoint(ctx, tx, &want[i])
			if err != nil {
				return sqlerr.Classify("check whether "+want[i].FullName()+" is empty", err)
			}
			out.Findings = append(out.Findings, rows...)
		}
	}
	return nil
}

// reserved refuses a target that is one of the job's own tables.
func reserved(server pool.Server, names Naming, t *row.Table) *Finding {
	for _, o := range append(everyJobs(server), ownTable{name: sqltext.DedupTable}, ownTable{name: sqltext.ReplayTable}, ownTable{name: sqltext.RetainTable}) {
		if strings.EqualFold(names.Key(t), o.name) {
			return &Finding{Subject: t.FullName(), Seen: "it is one of Sluice's own tables", Do: "let the query write to another table"}
		}
	}
	return nil
}

// rowsBeforeTheFirstCheckpoint checks that a target is empty as long as no job has a checkpoint for it (P3). A claim
// checks the same, once the job's own tables exist.
func (c *Checker) rowsBeforeTheFirstCheckpoint(ctx context.Context, tx *pool.Tx, t *row.Table) (out []Finding, err error) {
	if filled, err := HoldsRows(ctx, tx, t); err != nil || !filled {
		return nil, err
	}
	return []Finding{{Subject: t.FullName(), Seen: "it holds rows, and no checkpoint tells which records they count",
		Do: "empty the table, " + c.options.OrAdopt()}}, nil
}

// HoldsRows reports whether a table holds rows.
func HoldsRows(ctx context.Context, tx *pool.Tx, t *row.Table) (filled bool, err error) {
	text := string(sqltext.AppendTableName([]byte("SELECT 1 FROM "), t)) + " LIMIT 1"
	err = tx.Query(ctx, text, func(func(...any) error) error {
		filled = true
		return nil
	})
	return filled, err
}
