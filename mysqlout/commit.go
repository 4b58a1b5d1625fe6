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

// piece is the rows of one table, in the order in which they are written.
type piece struct {
	*target
	rows  *row.Rows
	order []int
}

// Commit writes a part in one transaction (P9 to P11).
func (s *Sink) Commit(ctx context.Context, part *batch.TaskBatch[row.Delta]) error {
	if err := checkMoves(part.Advances); err != nil {
		return err
	}
	if err := s.lookAgain(ctx); err != nil {
		return err
	}
	pieces, err := s.pieces(part.Delta)
	if err != nil {
		return err
	}
	what := "commit " + describe(part.Advances)
	tx, err := s.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return s.failed(what, err)
	}
	began := time.Now()
	if err := s.write(ctx, tx, part, pieces); err != nil {
		sqlerr.Abandon(tx, err)
		if at, ok := errors.AsType[*valueError](err); ok {
			return s.refused(ctx, part, pieces, at)
		}
		return s.failed(what, err)
	}
	failpoint.Hit(failpoint.BeforeCommit)
	if err := tx.Commit(ctx); err != nil {
		return s.failed(what, err)
	}
	failpoint.Hit(failpoint.CommitDone)
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	s.metrics.rows.Add(float64(part.Delta.Len()))
	s.metrics.dead.Add(float64(len(part.Dead)))
	return nil
}

// failed counts an error and gives it its class.
func (s *Sink) failed(doing string, err error) error {
	s.metrics.errors.WithLabelValues(strconv.Itoa(int(sqlerr.Number(err)))).Inc()
	err = sqlerr.Classify(doing, err)
	if errors.Is(err, checkpoint.ErrBlocked) {
		s.blame()
	}
	return err
}

// write is everything between the transaction's begin and its COMMIT. Each statement is sent after the reply to the
// one before was read.
func (s *Sink) write(ctx context.Context, tx *pool.Tx, part *batch.TaskBatch[row.Delta], pieces []piece) error {
	if err := s.lockUnaltered(ctx, tx, s.compared(part, pieces)); err != nil {
		return err
	}
	matched, err := tx.Exec(ctx, string(s.appendFence(nil, part.ID, part.Advances)))
	if err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	if matched != int64(len(part.Advances)) {
		return s.fenced(ctx, tx, part.Advances, matched)
	}
	failpoint.Hit(failpoint.Fenced)
	for i := range pieces {
		if err := s.writeRows(ctx, tx, pieces, i); err != nil {
			return err
		}
	}
	if err := s.writeDead(ctx, tx, part); err != nil {
		return err
	}
	matched, err = tx.Exec(ctx, string(s.appendClosing(nil, part.ID, part.Advances)))
	if err != nil {
		return fmt.Errorf("closing check: %w", err)
	}
	if matched != int64(len(part.Advances)) {
		return &checkpoint.Error{
			Class: checkpoint.ErrFenced,
			Err: fmt.Errorf("closing check: %d of %d partitions match, so the transaction was lost after the fence",
				matched, len(part.Advances)),
			Hint: "a proxy that switches connections in the middle of a transaction causes this; this batch was not committed",
		}
	}
	return nil
}

// pieces puts a delta in the one order in which every writer takes locks: by table, then by key (P10).
func (s *Sink) pieces(delta row.Delta) ([]piece, error) {
	out := make([]piece, 0, len(delta.Tables))
	for _, r := range delta.Tables {
		t, err := s.find(r)
		if err != nil {
			return nil, err
		}
		if err := current(t, r); err != nil { // without rows too: the part's dead letters are of these columns
			return nil, err
		}
		if r.Len() == 0 {
			continue
		}
		out = append(out, piece{t, r, r.Sorted()})
	}
	slices.SortStableFunc(out, func(a, b piece) int {
		return strings.Compare(a.table.FullName(), b.table.FullName())
	})
	return out, nil
}

// valueError is an error that may be a row's own fault. It happened in pieces[piece], in a statement that began with
// the row at position from.
type valueError struct {
	piece, from int
	err         error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// writeRows sends the rows of pieces[at] in statements of about StatementBytes, each after the reply to the one before
// was read. The next one's text is made while the server works.
func (s *Sink) writeRows(ctx context.Context, tx *pool.Tx, pieces []piece, at int) error {
	p := &pieces[at]
	if p.states > 0 {
		err := s.writeStateful(ctx, tx, p, p.order)
		if rejected, ok := errors.AsType[*valueError](err); ok {
			rejected.piece = at
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
	f := sqlerr.FateOf(err)
	return f == sqlerr.Value || f == sqlerr.Ranged || sqlerr.Number(err) == 1105 && embedded
}

// statement appends one statement of rows order[from:next], next being where the text has grown to usual bytes.
func (p *piece) statement(dst []byte, order []int, from, usual int) (text []byte, next int) {
	return p.statementWithin(dst, order, from, usual, math.MaxInt)
}

// statementWithin is statement, and ends before the row that would make the text longer than most bytes. It has at least
// one row, however long.
func (p *piece) statementWithin(dst []byte, order []int, from, usual, most int) (text []byte, next int) {
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

// send sends a statement that writes rows. The driver has copied the text to its own buffer, and to the socket, when
// Exec returns, so that the bytes may be used again.
func (s *Sink) send(ctx context.Context, tx *pool.Tx, text []byte) error {
	s.metrics.statements.Inc()
	s.metrics.bytes.Add(float64(len(text)))
	_, err := tx.Exec(ctx, unsafe.String(unsafe.SliceData(text), len(text))) //nolint:gosec // not changed before Exec returns, see above
	if isTooLong(err) && s.learnPacket(len(text)) {
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("a statement of %d bytes: %w", len(text), err)}
	}
	return err
}

// isTooLong says that a statement is longer than max_allowed_packet, as the driver or the server reports it.
func isTooLong(err error) bool {
	return errors.Is(err, mysql.ErrPktTooLarge) || sqlerr.Number(err) == 1153
}

func describe(moves []batch.Advance) string {
	var b bytes.Buffer
	b.WriteString(moves[0].Range.String())
	if n := len(moves) - 1; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

func checkMoves(moves []batch.Advance) error {
	if err := checkOrder(moves); err != nil {
		return err
	}
	for _, m := range moves {
		if m.Next <= m.First || m.Audit.Total() != m.Len() {
			return sqlerr.Bugf("%v with an audit of %d", m.Range, m.Audit.Total())
		}
	}
	return nil
}

func checkOrder(moves []batch.Advance) error {
	if len(moves) == 0 {
		return sqlerr.Bug("a task batch without advances")
	}
	for i, m := range moves {
		switch {
		case m.Topic != moves[0].Topic:
			return sqlerr.Bugf("a task batch with topics %s and %s", moves[0].Topic, m.Topic)
		case i > 0 && moves[i-1].ID >= m.ID:
			return sqlerr.Bugf("partition %d after %d", m.ID, moves[i-1].ID)
		}
	}
	return nil
}
