package mysqlout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
)

// A row that MySQL rejects in a table with states is searched with what a commit would write: the batch's rows joined
// with the stored ones. Values of a record that a commit would not write are not checked, so no record is rejected for
// them.
//
// This has one consequence: a record whose value is replaced by a later one of the same batch is counted, whatever the
// value is, and the same record is rejected if the batch ends with it. A batch writes one row for each key, so the
// values in between are never sent. Only values that the table would have held are checked.

// searchStateful searches rows, in order of key, in chunks as a commit writes them.
func (f *finder) searchStateful(ctx context.Context, order []int) error {
	for from := 0; from < len(order); {
		to := f.sink.chunk(f.in, order, from)
		if err := f.bisectKeys(ctx, order[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// bisectKeys finds the rejected rows of a chunk by bisection, down to one key.
func (f *finder) bisectKeys(ctx context.Context, order []int) error {
	answer, err := f.tryJoined(ctx, order)
	if err != nil || answer == nil {
		return err
	}
	var ends []int // of each key's rows
	for from := 0; from < len(order); from = ends[len(ends)-1] {
		ends = append(ends, f.in.endOfKey(order, from))
	}
	if len(ends) == 1 {
		return f.findFaultyJoined(ctx, order)
	}
	half := ends[len(ends)/2-1]
	before := len(f.found)
	if err := errors.Join(f.bisectKeys(ctx, order[:half]), f.bisectKeys(ctx, order[half:])); err != nil {
		return err
	}
	if found := len(f.found) - before; found == 0 || found >= len(ends) && sqlerr.Number(answer) == 1105 {
		// Either no key is rejected by itself, or all are, by the embedded server, which has one error number for
		// everything. So the table is at fault.
		f.found = f.found[:before]
		return f.blockedError("no single key explains this error", answer)
	}
	return nil
}

// findFaultyJoined finds which of a key's rows are at fault, so that the others can be written. The joined row has the
// values of one of them, the winner, and additive columns of all:
//
//   - If the winner's values are rejected with its own totals alone, the winner is at fault. Without it another
//     row may win, which is tried next.
//   - If not, each other row is at fault whose totals are rejected beside the winner's values.
//   - If there is none, no row is at fault by itself: the total is.
//
// Each try joins all rows that are left, so the state and the winner are those of the commit.
func (f *finder) findFaultyJoined(ctx context.Context, order []int) error {
	left := slices.Clone(order)
	for len(left) > 0 {
		whole, err := f.tryKey(ctx, left, share{}, f.asCommitted)
		if err != nil || whole.answer == nil {
			return err
		}
		candidates := left
		if whole.winner >= 0 {
			candidates = append([]int{whole.winner}, slices.DeleteFunc(slices.Clone(left), func(i int) bool { return i == whole.winner })...)
		}
		found := len(f.found)
		for _, i := range candidates {
			if err := f.checkJoinedRow(ctx, left, i); err != nil {
				return err
			}
			if len(f.found) > found && i == whole.winner {
				break
			}
		}
		if len(f.found) == found {
			return f.blockedError("each record's own values are accepted, all of them together are not", whole.answer)
		}
		left = slices.DeleteFunc(left, func(i int) bool {
			return slices.ContainsFunc(f.found[found:], func(b badRow) bool { return b.row == i })
		})
	}
	return nil
}

// checkJoinedRow adds row i to those found if MySQL rejects the joined row of left with the totals of i alone,
// unless a stored total or the state is at fault. The tries that distinguish these are those of checkRow.
func (f *finder) checkJoinedRow(ctx context.Context, left []int, i int) error {
	alone := share{rows: map[int]bool{i: true}}
	written, err := f.tryKey(ctx, left, alone, f.asCommitted)
	if err != nil || written.answer == nil {
		return err
	}
	answer := written.answer
	if errors.Is(answer, errTooLong) {
		if _, most := f.sink.statementBytes(); len(f.in.appendRow([]byte(f.in.head+f.in.tail), f.in.rows, i, nil)) <= most {
			return f.blockedErrorWithHint("raise max_allowed_packet: the state and the stored values do not fit one statement",
				"the row is too long with its state", answer)
		}
		f.found = append(f.found, badRow{row: i, reason: errTooLong.Error()})
		return nil
	}
	if sqlerr.HandlingOf(answer) == sqlerr.Ranged {
		if why := f.in.misfit(f.in.rows, i); why != "" {
			f.found = append(f.found, badRow{row: i, reason: why, detail: answer.Error()})
			return nil
		}
	}
	own := share{rows: alone.rows, own: true} // the values of sketches grow with what is stored, as totals do
	values, err := f.tryKey(ctx, left, own, func(joinedRows) string { return "" })
	if err != nil {
		return err
	}
	if values.answer == nil { // the values are accepted, and the key may exist
		totals, err := f.tryKey(ctx, left, alone, func(joinedRows) string { return f.in.totals })
		if err != nil {
			return err
		}
		if totals.answer != nil {
			return f.blockedError("the row's own values are accepted, the total is not", answer)
		}
	}
	f.found = append(f.found, badRow{
		row: i, reason: rejection(&f.in.table, answer), detail: answer.Error(), key: withoutPartition[sqlerr.Number(answer)],
	})
	return nil
}

// tryJoined writes rows as a commit does, in a transaction that is rolled back. answer is why MySQL rejects a row, nil
// if it rejects none.
func (f *finder) tryJoined(ctx context.Context, order []int) (answer, err error) {
	err = f.transaction(ctx, func(tx *pool.Tx) error { return f.sink.writeStateful(ctx, tx, f.in, order) })
	if rejected, ok := errors.AsType[*valueError](err); ok {
		return rejected.err, nil
	}
	return nil, err
}

// triedKey is the outcome of a try with the rows of one key.
type triedKey struct {
	answer error // why MySQL rejects the row, nil if it does not
	winner int   // the row whose values were tried, -1 for the stored ones
}

// asCommitted returns the tail with which a commit writes a row.
func (f *finder) asCommitted(j joinedRows) string {
	switch {
	case len(j.fresh) > 0:
		return ""
	case len(j.replaced) > 0:
		return f.in.tail
	}
	return f.in.keep
}

// tryKey writes the rows of one key, joined, with a tail of its own and with some of the totals, in a transaction that is
// rolled back. A duplicate key is no fault: the server has checked the values by then.
func (f *finder) tryKey(ctx context.Context, left []int, totals share, tail func(joinedRows) string) (out triedKey, err error) {
	err = f.transaction(ctx, func(tx *pool.Tx) error {
		joined, err := f.sink.joinStored(ctx, tx, f.in, left, totals)
		if err != nil {
			return err
		}
		out.winner = joined.winners[0]
		rows, at := joined.rows, 0
		if len(joined.kept) > 0 {
			rows, at = joined.stored, joined.kept[0]
		}
		text := append(f.in.appendRow([]byte(f.in.head), rows, at, nil), tail(joined)...)
		if _, most := f.sink.statementBytes(); len(text) > most {
			return &valueError{err: errTooLong}
		}
		err = f.sink.send(ctx, tx, text)
		if couldBeValue(tx.Server.Dialect == pool.Embedded, err) {
			return &valueError{err: err}
		}
		return err
	})
	if rejected, ok := errors.AsType[*valueError](err); ok {
		out.answer, err = rejected.err, nil
	}
	if sqlerr.Number(err) == duplicateKey {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("write rows of %s: %w", f.in.table.FullName(), err)
	}
	return out, err
}

// transaction calls write in a transaction that is rolled back. A table that was altered since it was checked is an
// error of lockUnaltered.
func (f *finder) transaction(ctx context.Context, write func(*pool.Tx) error) error {
	f.end(ctx, nil) // its row locks would block this one
	f.tries++
	tx, err := f.sink.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return err
	}
	err = f.sink.lockUnaltered(ctx, tx, []*target{f.in.target})
	if err == nil {
		err = write(tx)
	}
	if err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	tx.Rollback(ctx)
	return nil
}
