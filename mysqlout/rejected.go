package mysqlout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// findRejected finds the rows that MySQL rejects, from where the commit failed to its end, and returns them as
// *batch.RejectedRows. The search leaves nothing behind: each try is rolled back.
//
// A row of several records is returned as merged, unless its key alone is the cause. The fold then makes a row for each
// of its records when they are read again. A row of one record is returned with that record as its source, if the
// record itself is the cause. If no single row is the cause, the error has a class of checkpoint.
func (s *Sink) findRejected(ctx context.Context, tb *batch.TaskBatch[row.Delta], tables []tableRows, at *valueError) error {
	until := map[checkpoint.Partition]int64{}
	for _, m := range tb.Advances {
		until[m.Partition] = m.Next
	}
	out := &batch.RejectedRows{}
	for i := at.table; i < len(tables); i++ {
		p := &tables[i]
		f := finder{sink: s, in: p}
		order := p.order
		search := f.search
		if p.states > 0 {
			search = f.searchStateful
		} else if i == at.table {
			order = order[at.from:]
		}
		err := search(ctx, order)
		f.end(ctx, nil)
		if err != nil {
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
				source := checkpoint.Partition{Topic: tb.Advances[0].Topic, ID: from.Partition}
				refused.Source = &batch.RecordID{Partition: source, Offset: from.Offset}
			}
			out.Rows = append(out.Rows, refused)
		}
	}
	if len(out.Rows) == 0 && tables[at.table].states > 0 {
		return &checkpoint.Error{
			Class: checkpoint.ErrBlocked,
			Err: fmt.Errorf("write rows of %s: a row was rejected, and accepted when it was tried again: %w",
				tables[at.table].table.FullName(), at.err),
			Hint: "look at what else writes to the table, and at its triggers and constraints; the task tries again by itself",
		}
	}
	if len(out.Rows) == 0 {
		// The server accepts every row this time, so the cause was something else, such as a total that another writer
		// has changed since. Retry.
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("write rows: %w", at.err)}
	}
	s.metrics.errors.WithLabelValues("refused_rows").Add(1)
	return out
}

type finder struct {
	sink  *Sink
	in    *tableRows
	found []badRow
	tries int
	tx    *pool.Tx  // of the tries so far, all of which failed; nil before the first, and after one that succeeded
	began time.Time // of tx
}

type badRow struct {
	row    int
	reason string
	detail string // the server's own text
	key    bool   // the key itself is at fault, and so is every record that makes it
}

// search sends the rows in statements of the usual size.
func (f *finder) search(ctx context.Context, order []int) error {
	usual, most := f.sink.statementBytes()
	for from := 0; from < len(order); {
		text, next := f.in.statementWithin(nil, order, from, usual, most)
		if len(text) > most && next == from+1 {
			f.found = append(f.found, badRow{row: order[from], reason: errTooLong.Error()})
			from = next
			continue
		}
		if err := f.bisect(ctx, order[from:next]); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// bisect finds the bad rows of one statement. The server stops at the first bad row. If it names that row, the rows
// before it are good and the search continues after it. If it names none, each half of the rows is searched.
func (f *finder) bisect(ctx context.Context, order []int) error {
	for len(order) > 0 {
		embedded, err := f.try(ctx, order)
		if err == nil {
			return nil
		}
		if !couldBeValue(embedded, err) {
			return err
		}
		if n, named := sqlerr.NamedRow(err); named && n < len(order) {
			if err := f.checkRow(ctx, order[n], err); err != nil {
				return err
			}
			order = order[n+1:]
			continue
		}
		if len(order) == 1 {
			return f.checkRow(ctx, order[0], err)
		}
		before, half := len(f.found), len(order)/2
		if err := errors.Join(f.bisect(ctx, order[:half]), f.bisect(ctx, order[half:])); err != nil {
			return err
		}
		switch found := len(f.found) - before; {
		case found == 0 || embedded && found == len(order) && sqlerr.Number(err) == 1105:
			// Either no row is rejected by itself, or all are, by a server that has one error number for everything. So
			// the table is at fault.
			f.found = f.found[:before]
			return f.blockedError("no single row causes this error", err)
		}
		return nil
	}
	return nil
}

// checkRow adds a row that MySQL rejected with this error, unless the cause is a stored total and not the row (P19).
// Two tries distinguish these. Servers check the values of a row before they look up its key. So an INSERT without the
// merge fails if the values are the cause; otherwise it succeeds or finds the key taken. Then a merge that changes only
// totals shows whether the totals are the cause, or the smallest, largest or last value that the row would store.
func (f *finder) checkRow(ctx context.Context, i int, answer error) error {
	if sqlerr.HandlingOf(answer) == sqlerr.Ranged {
		if why := f.in.misfit(f.in.rows, i); why != "" {
			f.found = append(f.found, badRow{row: i, reason: why, detail: answer.Error()})
			return nil
		}
	}
	embedded, err := f.insert(ctx, i, "")
	guilty := couldBeValue(embedded, err)
	if err == nil || sqlerr.Number(err) == duplicateKey {
		if f.in.tail != "" {
			embedded, err = f.insert(ctx, i, f.in.totals)
			guilty = err == nil
		}
		if !guilty && (err == nil || couldBeValue(embedded, err)) {
			return f.blockedError("the values of the row are accepted, the resulting total is rejected", answer)
		}
	}
	if !guilty {
		return err
	}
	f.found = append(f.found, badRow{
		row: i, reason: rejection(&f.in.table, answer), detail: answer.Error(), key: withoutPartition[sqlerr.Number(answer)],
	})
	return nil
}

const duplicateKey = 1062

// withoutPartition are the errors for a row that no partition takes. The columns that choose a partition are part of
// every unique key, so these errors depend only on the row's key.
var withoutPartition = map[uint16]bool{1526: true, 1591: true, 1748: true}

// blockedError returns the error for a cause that is not a single row: the task is blocked until an operator removes it.
func (f *finder) blockedError(why string, answer error) error {
	return f.blockedErrorWithHint(cmp.Or(sqlerr.Hints[sqlerr.Number(answer)],
		"change the constraint or trigger that rejects the total, and the task resumes automatically"), why, answer)
}

// blockedErrorWithHint is blockedError with this hint.
func (f *finder) blockedErrorWithHint(hint, why string, answer error) error {
	return &checkpoint.Error{
		Class: checkpoint.ErrBlocked, Err: fmt.Errorf("write rows of %s: %s: %w", f.in.table.FullName(), why, answer), Hint: hint,
	}
}

// try sends one statement with these rows.
func (f *finder) try(ctx context.Context, order []int) (embedded bool, err error) {
	text, _ := f.in.statement(nil, order, 0, math.MaxInt)
	return f.send(ctx, text)
}

// insert sends one row with this merge in place of the usual one.
func (f *finder) insert(ctx context.Context, i int, tail string) (embedded bool, err error) {
	return f.send(ctx, append(f.in.appendRow([]byte(f.in.head), f.in.rows, i, nil), tail...))
}

// holdFor is how long a transaction of the search may keep the row locks of its tries, while other tasks wait for them.
const holdFor = 50 * time.Millisecond

// send sends a statement of which nothing remains. If it succeeds, its transaction is rolled back. If a value is
// rejected, the server has undone the statement, and the next try continues in the same transaction: the comparison of
// the table's definition, which takes longer than the try, holds as long as the transaction. The embedded server does
// not undo a statement that failed. If the table was altered after it was checked, the result is an error, and no row is
// at fault.
func (f *finder) send(ctx context.Context, text []byte) (embedded bool, err error) {
	f.tries++
	if f.tx == nil {
		if f.tx, err = f.sink.pool.Tx(ctx, pool.PriorityLow); err != nil {
			return false, err
		}
		f.began = time.Now()
		if err := f.sink.lockUnaltered(ctx, f.tx, []*target{f.in.target}); err != nil {
			f.end(ctx, err)
			return false, err
		}
	}
	embedded = f.tx.Server.Dialect == pool.Embedded
	err = f.sink.send(ctx, f.tx, text)
	if embedded || !couldBeValue(false, err) || time.Since(f.began) > holdFor {
		f.end(ctx, err)
	}
	return embedded, err
}

// end rolls back the transaction of the tries, if there is one. err is the error of the last statement.
func (f *finder) end(ctx context.Context, err error) {
	switch {
	case f.tx == nil:
	case err != nil:
		sqlerr.Abandon(f.tx, err)
	default:
		f.tx.Rollback(ctx)
	}
	f.tx = nil
}
