package mysqlout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// tableRows is the rows of one table, in the order in which they are written.
type tableRows struct {
	*target
	rows  *row.Rows
	order []int
}

// Commit writes a task batch in one transaction (P9 to P11).
func (s *Sink) Commit(ctx context.Context, tb *batch.TaskBatch[row.Delta]) error {
	if tb.Delta.Unread != nil {
		return tb.Delta.Unread
	}
	if err := checkAdvances(tb.Advances); err != nil {
		return err
	}
	if err := s.refreshSchema(ctx); err != nil {
		return err
	}
	tables, err := s.orderTables(tb.Delta)
	if err != nil {
		return err
	}
	what := "commit " + describe(tb.Advances)
	tx, err := s.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return s.failed(what, err)
	}
	began := time.Now()
	if err := s.write(ctx, tx, tb, tables); err != nil {
		sqlerr.Abandon(tx, err)
		if at, ok := errors.AsType[*valueError](err); ok {
			return s.findRejected(ctx, tb, tables, at)
		}
		return s.failed(what, err)
	}
	failpoint.Hit(failpoint.BeforeCommit)
	if err := tx.Commit(ctx); err != nil {
		return s.failed(what, err)
	}
	failpoint.Hit(failpoint.CommitDone)
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	s.metrics.rows.Add(float64(tb.Delta.Len()))
	s.metrics.dead.Add(float64(len(tb.Dead)))
	return nil
}

// failed counts an error and wraps it in its class.
func (s *Sink) failed(doing string, err error) error {
	s.metrics.errors.WithLabelValues(strconv.Itoa(int(sqlerr.Number(err)))).Inc()
	err = sqlerr.Classify(doing, err)
	if errors.Is(err, checkpoint.ErrBlocked) {
		s.markSchemaStale()
	}
	return err
}

// write sends everything between the beginning of the transaction and its COMMIT. Each statement is sent after the
// reply to the previous one was read.
//
// Order, and what a crash leaves: the definitions are compared under metadata locks before anything is written. The
// fence then locks the checkpoints until the transaction ends, so that no other process can commit for these
// partitions. Rows and dead letters follow, and the closing check last: it fails if the server has lost the transaction
// since the fence. The low-water marks of the targets are read with shared locks between the fence and the first row
// (P36), so a mark moves only while no transaction that has read it is open. Until COMMIT is sent, a crash of the process
// or of the server rolls everything back.
func (s *Sink) write(ctx context.Context, tx *pool.Tx, tb *batch.TaskBatch[row.Delta], tables []tableRows) error {
	if err := s.lockUnaltered(ctx, tx, s.comparedTables(tb, tables)); err != nil {
		return err
	}
	matched, err := tx.Exec(ctx, string(s.appendFence(nil, tb.ID, tb.Advances)))
	if err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	if matched != int64(len(tb.Advances)) {
		return s.fenced(ctx, tx, tb.Advances, matched)
	}
	failpoint.Hit(failpoint.Fenced)
	if err := s.compareMarks(ctx, tx, tb); err != nil {
		return err
	}
	for i := range tables {
		if err := s.writeRows(ctx, tx, tables, i); err != nil {
			return err
		}
	}
	if err := s.writeDead(ctx, tx, tb); err != nil {
		return err
	}
	matched, err = tx.Exec(ctx, string(s.appendClosing(nil, tb.ID, tb.Advances)))
	if err != nil {
		return fmt.Errorf("closing check: %w", err)
	}
	if matched != int64(len(tb.Advances)) {
		return &checkpoint.Error{
			Class: checkpoint.ErrFenced,
			Err: fmt.Errorf("closing check: %d of %d partitions match, so the transaction was lost after the fence",
				matched, len(tb.Advances)),
			Hint: "a proxy that switches connections in the middle of a transaction causes this; this batch was not committed",
		}
	}
	return nil
}

// orderTables sorts a delta in the order in which every writer takes locks: by table, then by key (P10).
func (s *Sink) orderTables(delta row.Delta) ([]tableRows, error) {
	out := make([]tableRows, 0, len(delta.Tables))
	for _, r := range delta.Tables {
		t, err := s.find(r)
		if err != nil {
			return nil, err
		}
		if err := checkVersion(t, r); err != nil { // without rows too: dead letters of the batch refer to these columns
			return nil, err
		}
		if r.Len() == 0 {
			continue
		}
		out = append(out, tableRows{t, r, r.Sorted()})
	}
	slices.SortStableFunc(out, func(a, b tableRows) int {
		return strings.Compare(a.table.FullName(), b.table.FullName())
	})
	return out, nil
}

// valueError is an error that may be caused by the values of a row. It happened in tables[table], in a statement that
// began with the row at position from.
type valueError struct {
	table, from int
	err         error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// writeRows sends the rows of tables[at] in statements of about StatementBytes, each after the reply to the previous
// one was read. The text of the next one is built while the server works.
func (s *Sink) writeRows(ctx context.Context, tx *pool.Tx, tables []tableRows, at int) error {
	p := &tables[at]
	if p.states > 0 {
		err := s.writeStateful(ctx, tx, p, p.order)
		if rejected, ok := errors.AsType[*valueError](err); ok {
			rejected.table = at
		}
		return err
	}
	usual, most := s.statementBytes()
	now, then := s.buffers.Get().(*[]byte), s.buffers.Get().(*[]byte)
	defer func() { s.buffers.Put(now); s.buffers.Put(then) }()
	text, next := p.statementWithin((*now)[:0], p.order, 0, usual, most)
	for from := 0; from < len(p.order); {
		*now = text[:0]
		if len(text) > most && next == from+1 {
			return &valueError{at, from, errTooLong}
		}
		var ahead sync.WaitGroup
		var later []byte
		after := next
		if next < len(p.order) {
			ahead.Go(func() { later, after = p.statementWithin((*then)[:0], p.order, next, usual, most) })
		}
		err := s.send(ctx, tx, text)
		ahead.Wait()
		if err != nil {
			if couldBeValue(tx.Server.Dialect == pool.Embedded, err) {
				return &valueError{at, from, err}
			}
			return fmt.Errorf("write rows of %s: %w", p.table.FullName(), err)
		}
		failpoint.Hit(failpoint.Upserting)
		from, text, next = next, later, after
		now, then = then, now
	}
	return nil
}

var errTooLong = errors.New("the row is longer than max_allowed_packet")

func couldBeValue(embedded bool, err error) bool {
	f := sqlerr.HandlingOf(err)
	return f == sqlerr.Value || f == sqlerr.Ranged || sqlerr.Number(err) == 1105 && embedded
}

// statement appends one statement with the rows order[from:next]. It ends once the text has usual bytes.
func (p *tableRows) statement(dst []byte, order []int, from, usual int) (text []byte, next int) {
	return p.statementWithin(dst, order, from, usual, math.MaxInt)
}

// statementWithin is statement, but ends before the row with which the text would exceed most bytes. It has at least
// one row, however long.
func (p *tableRows) statementWithin(dst []byte, order []int, from, usual, most int) (text []byte, next int) {
	var scratch [512]byte
	dst = append(dst, p.head...)
	for next = from; next < len(order); next++ {
		before := len(dst)
		if next > from {
			if len(dst)+len(p.tail) >= usual {
				break
			}
			dst = append(dst, ',')
		}
		dst = p.appendRow(dst, p.rows, order[next], scratch[:0])
		if next > from && len(dst)+len(p.tail) > most {
			dst = dst[:before]
			break
		}
	}
	return append(dst, p.tail...), next
}

// send sends a statement that writes rows. text may be used again after it returns: Exec returns after the driver has
// copied it to its own buffer and sent it.
func (s *Sink) send(ctx context.Context, tx *pool.Tx, text []byte) error {
	s.metrics.statements.Inc()
	s.metrics.bytes.Add(float64(len(text)))
	_, err := tx.Exec(ctx, unsafe.String(unsafe.SliceData(text), len(text))) //nolint:gosec // not changed before Exec returns, see above
	if isTooLong(err) && s.learnPacket(len(text)) {
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("a statement of %d bytes: %w", len(text), err)}
	}
	return err
}

// isTooLong reports whether a statement was longer than max_allowed_packet, according to the driver or the server.
func isTooLong(err error) bool {
	return errors.Is(err, mysql.ErrPktTooLarge) || sqlerr.Number(err) == 1153
}

func describe(advances []batch.Advance) string {
	var b bytes.Buffer
	b.WriteString(advances[0].Range.String())
	if n := len(advances) - 1; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

func checkAdvances(advances []batch.Advance) error {
	if err := checkOrder(advances); err != nil {
		return err
	}
	for _, m := range advances {
		if m.Next <= m.First || m.Audit.Total() != m.Len() {
			return sqlerr.Bugf("%v with an audit of %d", m.Range, m.Audit.Total())
		}
	}
	return nil
}

func checkOrder(advances []batch.Advance) error {
	if len(advances) == 0 {
		return sqlerr.Bug("a task batch without advances")
	}
	for i, m := range advances {
		switch {
		case m.Topic != advances[0].Topic:
			return sqlerr.Bugf("a task batch with topics %s and %s", advances[0].Topic, m.Topic)
		case i > 0 && advances[i-1].ID >= m.ID:
			return sqlerr.Bugf("partition %d after %d", m.ID, advances[i-1].ID)
		}
	}
	return nil
}
