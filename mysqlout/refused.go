package mysqlout

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// refused finds the rows that MySQL will not take, from where the commit failed to its end, and returns them as
// *batch.RefusedRows. Nothing stays of the search: each try is a transaction that is rolled back. Where the fault is no
// row's own, the error is a class of checkpoint.
func (s *Sink) refused(ctx context.Context, part *batch.Part[row.Delta], pieces []piece, at *valueError) error {
	until := map[checkpoint.Partition]int64{}
	for _, m := range part.Moves {
		until[m.Partition] = m.Next
	}
	out := &batch.RefusedRows{}
	for i := at.piece; i < len(pieces); i++ {
		p := &pieces[i]
		f := finder{sink: s, piece: p}
		order := p.order
		if i == at.piece {
			order = order[at.from:]
		}
		if err := f.search(ctx, order); err != nil {
			return s.failed("look for the rows that "+p.table.FullName()+" refuses", err)
		}
		for _, bad := range f.found {
			out.Rows = append(out.Rows, batch.Refused{
				Table: p.table.FullName(), Key: append([]byte(nil), p.rows.Key(bad.row)...),
				Reason: cut(bad.reason, maxReason), Until: until,
			})
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
}

// search goes through rows in statements of the usual size.
func (f *finder) search(ctx context.Context, order []int) error {
	usual, most := f.sink.statementBytes()
	for from := 0; from < len(order); {
		text, next := f.piece.statement(nil, order, from, usual)
		if len(text) > most && next == from+1 {
			f.found = append(f.found, badRow{order[from], errTooLong.Error()})
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

// part finds the bad rows of one statement's worth. The server stops at the first bad row: where it names one, those
// before it are good, and the search goes on behind it; where it names none, the rows are halved.
func (f *finder) part(ctx context.Context, order []int) error {
	for len(order) > 0 {
		embedded, err := f.try(ctx, order)
		if err == nil {
			return nil
		}
		switch fate := fates[number(err)]; {
		case fate == ranged:
			return f.outOfRange(order, err)
		case fate != value && !(embedded && number(err) == 1105):
			return err
		}
		if n, named := namedRow(err); named && n < len(order) {
			f.found = append(f.found, badRow{order[n], err.Error()})
			order = order[n+1:]
			continue
		}
		if len(order) == 1 {
			f.found = append(f.found, badRow{order[0], err.Error()})
			return nil
		}
		before, half := len(f.found), len(order)/2
		if err := errors.Join(f.part(ctx, order[:half]), f.part(ctx, order[half:])); err != nil {
			return err
		}
		switch found := len(f.found) - before; {
		case found == 0 || embedded && found == len(order) && number(err) == 1105:
			// No row is to blame by itself, or all alike by a server that has one number for everything: the table is.
			f.found = f.found[:before]
			return &checkpoint.Error{
				Class: checkpoint.ErrBlocked, Err: fmt.Errorf("write rows of %s: %w", f.piece.table.FullName(), err),
				Hint: "no single row explains this error; look at the table",
			}
		}
		return nil
	}
	return nil
}

// outOfRange tells a row's own value from a total (P19): the rows were checked by the real columns' bounds, so what
// fits and is refused all the same is a total.
func (f *finder) outOfRange(order []int, err error) error {
	before := len(f.found)
	for _, i := range order {
		if why := f.piece.misfit(f.piece.rows, i); why != "" {
			f.found = append(f.found, badRow{i, why})
		}
	}
	if len(f.found) == before {
		return err // classified as blocked, with the hint
	}
	return nil
}

// try sends one statement with these rows, in a transaction that is rolled back.
func (f *finder) try(ctx context.Context, order []int) (embedded bool, err error) {
	f.tries++
	tx, err := f.sink.pool.Tx(ctx, pool.Second)
	if err != nil {
		return false, err
	}
	embedded = tx.Server.Dialect == pool.Embedded
	text, _ := f.piece.statement(nil, order, 0, int(^uint(0)>>1))
	if err := f.sink.send(ctx, tx, text); err != nil {
		abandon(tx, err)
		return embedded, err
	}
	tx.Rollback(ctx)
	return embedded, nil
}
