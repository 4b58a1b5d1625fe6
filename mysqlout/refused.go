package mysqlout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// refused finds the rows that MySQL rejects, from where the commit failed to its end, and returns them as
// *batch.RejectedRows. Nothing stays of the search: each try is a transaction that is rolled back. A row that is
// not of one record is returned as merged, unless its key alone is at fault, and the fold makes a row for each of its
// records when they come again. A row of one record is returned with that record as its source, if the record itself is
// at fault. Where the fault is no row's own, the error is a class of checkpoint.
func (s *Sink) refused(ctx context.Context, part *batch.TaskBatch[row.Delta], pieces []piece, at *valueError) error {
	until := map[checkpoint.Partition]int64{}
	for _, m := range part.Advances {
		until[m.Partition] = m.Next
	}
	out := &batch.RejectedRows{}
	for i := at.piece; i < len(pieces); i++ {
		p := &pieces[i]
		f := finder{sink: s, piece: p}
		order := p.order
		search := f.search
		if p.states > 0 {
			search = f.searchStateful
		} else if i == at.piece {
			order = order[at.from:]
		}
		if err := search(ctx, order); err != nil {
			return s.failed("find the rows that "+p.table.FullName()+" rejects", err)
		}
		for _, bad := range f.found {
			refused := batch.RejectedRow{
				Table: p.table.FullName(), Key: append([]byte(nil), p.rows.Key(bad.row)...),
				Reason: sqltext.Cut(bad.reason, sqltext.MaxReason), Detail: sqltext.Cut(bad.detail, sqltext.MaxDetail), Until: until, Version: p.table.Version,
			}
			if from, ok := p.rows.Origin(bad.row); !ok {
				refused.Merged = !bad.key
			} else {
				source := checkpoint.Partition{Topic: part.Advances[0].Topic, ID: from.Partition}
				refused.Source = &batch.RecordID{Partition: source, Offset: from.Offset}
			}
			out.Rows = append(out.Rows, refused)
		}
	}
	if len(out.Rows) == 0 && pieces[at.piece].states > 0 {
		return &checkpoint.Error{
			Class: checkpoint.ErrBlocked,
			Err: fmt.Errorf("write rows of %s: a row was rejected, and accepted when it was tried again: %w",
				pieces[at.piece].table.FullName(), at.err),
			Hint: "look at what else writes to the table, and at its triggers and constraints; the task tries again by itself",
		}
	}
	if len(out.Rows) == 0 {
		// Every row was taken this time: what refused one was something else, such as a total that another writer has
		// changed since. The same again.
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("write rows: %w", at.err)}
	}
	s.metrics.errors.WithLabelValues("refused_rows").Add(1)
	return out
}

type finder struct {
	sink  *Sink
	piece *piece
	found []badRow
	tries int
}

type badRow struct {
	row    int
	reason string
	detail string // the server's own text
	key    bool   // the key itself is at fault, and so is every record that makes it
}

// search goes through rows in statements of the usual size.
func (f *finder) search(ctx context.Context, order []int) error {
	usual, most := f.sink.statementBytes()
	for from := 0; from < len(order); {
		text, next := f.piece.statementWithin(nil, order, from, usual, most)
		if len(text) > most && next == from+1 {
			f.found = append(f.found, badRow{row: order[from], reason: errTooLong.Error()})
			from = next
			continue
		}
		if err := f.part(ctx, order[from:next]); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// part finds the bad rows of one statement's worth. The server stops at the first bad row: if it names one, those
// before it are good and the search continues after it; if it names none, the rows are halved.
func (f *finder) part(ctx context.Context, order []int) error {
	for len(order) > 0 {
		embedded, err := f.try(ctx, order)
		if err == nil {
			return nil
		}
		if !couldBeValue(embedded, err) {
			return err
		}
		if n, named := sqlerr.NamedRow(err); named && n < len(order) {
			if err := f.blame(ctx, order[n], err); err != nil {
				return err
			}
			order = order[n+1:]
			continue
		}
		if len(order) == 1 {
			return f.blame(ctx, order[0], err)
		}
		before, half := len(f.found), len(order)/2
		if err := errors.Join(f.part(ctx, order[:half]), f.part(ctx, order[half:])); err != nil {
			return err
		}
		switch found := len(f.found) - before; {
		case found == 0 || embedded && found == len(order) && sqlerr.Number(err) == 1105:
			// No row is to blame by itself, or all alike by a server that has one number for everything: the table is.
			f.found = f.found[:before]
			return f.total("no single row causes this error", err)
		}
		return nil
	}
	return nil
}

// blame adds a row that MySQL rejected with this answer, unless a stored total is at fault and not the row (P19). Two
// tries tell them apart. Servers judge a row's values before they look for its key, so an INSERT without the merge fails
// for a fault of the values, and else either succeeds or finds the key taken. Then a merge that changes totals alone shows
// whether it was the totals, or what the row puts in the place of a smallest, largest or last value.
func (f *finder) blame(ctx context.Context, i int, answer error) error {
	if sqlerr.FateOf(answer) == sqlerr.Ranged {
		if why := f.piece.misfit(f.piece.rows, i); why != "" {
			f.found = append(f.found, badRow{row: i, reason: why, detail: answer.Error()})
			return nil
		}
	}
	embedded, err := f.insert(ctx, i, "")
	guilty := couldBeValue(embedded, err)
	if err == nil || sqlerr.Number(err) == duplicateKey {
		if f.piece.tail != "" {
			embedded, err = f.insert(ctx, i, f.piece.totals)
			guilty = err == nil
		}
		if !guilty && (err == nil || couldBeValue(embedded, err)) {
			return f.total("the values of the row are accepted, the resulting total is rejected", answer)
		}
	}
	if !guilty {
		return err
	}
	f.found = append(f.found, badRow{
		row: i, reason: rejection(&f.piece.table, answer), detail: answer.Error(), key: withoutPartition[sqlerr.Number(answer)],
	})
	return nil
}

const duplicateKey = 1062

// withoutPartition are the answers for a row that no partition takes. What chooses a partition is part of every unique
// key, so these depend on nothing but the row's key.
var withoutPartition = map[uint16]bool{1526: true, 1591: true, 1748: true}

// total is the error for a fault that no row has by itself.
func (f *finder) total(why string, answer error) error {
	return f.totalWith(cmp.Or(sqlerr.Hints[sqlerr.Number(answer)],
		"change the constraint or trigger that rejects the total, and the task resumes automatically"), why, answer)
}

// totalWith is total with this hint.
func (f *finder) totalWith(hint, why string, answer error) error {
	return &checkpoint.Error{
		Class: checkpoint.ErrBlocked, Err: fmt.Errorf("write rows of %s: %s: %w", f.piece.table.FullName(), why, answer), Hint: hint,
	}
}

// try sends one statement with these rows, in a transaction that is rolled back.
func (f *finder) try(ctx context.Context, order []int) (embedded bool, err error) {
	f.tries++
	tx, err := f.sink.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return false, err
	}
	text, _ := f.piece.statement(nil, order, 0, math.MaxInt)
	return tx.Server.Dialect == pool.Embedded, f.roll(ctx, tx, text)
}

// insert sends one row with this merge instead of the usual one, in a transaction that is rolled back.
func (f *finder) insert(ctx context.Context, i int, tail string) (embedded bool, err error) {
	f.tries++
	tx, err := f.sink.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return false, err
	}
	text := f.piece.appendRow([]byte(f.piece.head), f.piece.rows, i, nil)
	return tx.Server.Dialect == pool.Embedded, f.roll(ctx, tx, append(text, tail...))
}

// roll sends a statement and rolls it back. A table that was altered since it was judged blames no row.
func (f *finder) roll(ctx context.Context, tx *pool.Tx, text []byte) error {
	if err := f.sink.lockUnaltered(ctx, tx, []*target{f.piece.target}); err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	if err := f.sink.send(ctx, tx, text); err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	tx.Rollback(ctx)
	return nil
}
