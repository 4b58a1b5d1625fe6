package mysqlout

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Tables with a row.Stateful column are written in chunks of keys, in ascending order. Each chunk takes these steps of
// the batch's transaction, after the fence:
//
//  1. A locking read (SELECT … FOR UPDATE) of the states of the chunk's keys that are in the table.
//  2. The states are joined in Go. Each key of the batch becomes one row, with the values of its Derived columns.
//  3. Up to three passes over the chunk: keys that were not in the table are written by INSERT alone; those whose last
//     record is the batch's by an upsert of all columns; those whose last record is stored already by an upsert that
//     does not change the Follows columns. The INSERT of the last sort needs a value for each column, and the server
//     checks these values (NOT NULL, CHECK, BEFORE INSERT triggers) before it finds the key. So they are the stored
//     ones, which are read for this. The values of the batch's losing record are never written, so they are never
//     checked. A table of sketches has no Follows columns, and writes all its stored keys by the upsert of all columns.
//
// Invariant: what is written was computed from the newest committed state, and no other transaction has changed it
// since.
//
//   - A row that step 1 returns is locked until the transaction ends. A locking read returns the newest committed
//     version at every isolation level, so no state is older than the lock.
//   - A row that step 1 does not return is not locked: at READ COMMITTED there are no gap locks. If another task
//     inserts it before step 3 does, the INSERT waits for that task's transaction and then fails with a duplicate key,
//     because it has no ON DUPLICATE KEY UPDATE. The whole commit is rolled back and retried, and the retry reads the
//     row. With an upsert in its place, the other task's state would be overwritten: its batch would be lost without an
//     error.
//   - Chunks and the keys of each step are in ascending order. Within a chunk the steps go through the keys several
//     times, so two tasks can wait for each other in a cycle if one inserts a row between the other's steps. The server
//     then ends the transaction of one (error 1213), and it is retried.
//
// Memory, beside the batch: a chunk has at most maxLocked keys, and at most about StatementBytes of the batch's rows
// plus those of one key. So a transaction holds at most maxLocked states (row.Latest: 16 bytes and 20 for each
// partition that wrote the key), a copy of the chunk's rows, and the stored Follows values of its keys. The states of
// sketches can be large, so the lengths of the stored ones are read first, and a chunk ends where they exceed
// maxStates. The memory budget of the process does not count these.
//
// A crash, of the process or the server, between any two of these statements: the transaction was not committed, so the
// server rolls it back, and rows, states and checkpoint are as before. The task that claims the partition next reads
// the records again, from the checkpoint that belongs to these states. A crash after COMMIT was sent is resolved like
// that of any other commit (P12): states and checkpoint were committed together or not at all.

// maxLocked is the maximum number of keys in one locking read. For a condition of many thousand keys, servers scan the
// table instead of using range access; MariaDB turns a list of 1000 values into a subquery.
const maxLocked = 500

// maxStates is how many bytes of sketches a chunk reads, plus those of one key.
const maxStates = 16 << 20

// writeStateful writes rows of a table with state columns. order is in ascending order of key. An error that may be a
// row's own fault is a *valueError of no particular table or row: a joined row stands for several rows of the batch.
func (s *Sink) writeStateful(ctx context.Context, tx *pool.Tx, p *tableRows, order []int) error {
	for from := 0; from < len(order); {
		to, err := s.chunkOfStates(ctx, tx, p, order[:s.chunk(p, order, from)], from)
		if err != nil {
			return err
		}
		if err := s.writeChunk(ctx, tx, p, order[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// chunk returns the end of the chunk that begins at order[from]. All rows of a key are in one chunk.
func (s *Sink) chunk(p *tableRows, order []int, from int) (to int) {
	usual, _ := s.statementBytes()
	for keys, size := 0, 0; from < len(order) && keys < maxLocked && size < usual; keys++ {
		end := p.endOfKey(order, from)
		for _, i := range order[from:end] {
			size += p.rows.Footprint(i)
		}
		from = end
	}
	return from
}

// endOfKey returns the end of the rows with the key of order[from].
func (p *tableRows) endOfKey(order []int, from int) (to int) {
	for to = from + 1; to < len(order) && bytes.Equal(p.rows.Key(order[to]), p.rows.Key(order[from])); to++ {
	}
	return to
}

// chunkOfStates ends a chunk, which is order[from:], before the states that are stored for it exceed maxStates. They can
// grow until they are locked, but only by what other tasks commit in between.
func (s *Sink) chunkOfStates(ctx context.Context, tx *pool.Tx, p *tableRows, order []int, from int) (to int, err error) {
	if !p.sketches {
		return len(order), nil
	}
	lengths, err := s.readStored(ctx, tx, p, order[from:], (*row.Column).IsState, lengthsOnly)
	if err != nil {
		return 0, fmt.Errorf("read the lengths of states of %s: %w", p.table.FullName(), err)
	}
	for to, size := from, 0; to < len(order); {
		for _, v := range lengths[string(p.rows.Key(order[to]))] {
			n, _ := strconv.Atoi(string(v)) // NULL is no state
			size += n
		}
		if to > from && size > maxStates {
			return to, nil
		}
		to = p.endOfKey(order, to)
	}
	return len(order), nil
}

func (s *Sink) writeChunk(ctx context.Context, tx *pool.Tx, p *tableRows, order []int) error {
	joined, err := s.joinStored(ctx, tx, p, order, share{})
	if err != nil {
		return err
	}
	if err := s.writeJoined(ctx, tx, p, joined.rows, joined.fresh, ""); err != nil {
		return err
	}
	if err := s.writeJoined(ctx, tx, p, joined.rows, joined.replaced, p.tail); err != nil {
		return err
	}
	return s.writeJoined(ctx, tx, p, joined.stored, joined.kept, p.keep)
}

// writeJoined writes rows with this tail, in statements of the usual size.
func (s *Sink) writeJoined(ctx context.Context, tx *pool.Tx, p *tableRows, rows *row.Rows, order []int, tail string) error {
	t := *p.target
	t.tail = tail
	out := tableRows{target: &t, rows: rows, order: order}
	usual, most := s.statementBytes()
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	for from := 0; from < len(order); {
		text, next := out.statementWithin((*buffer)[:0], order, from, usual, most)
		*buffer = text[:0]
		if len(text) > most && next == from+1 {
			return &valueError{err: errTooLong}
		}
		err := s.send(ctx, tx, text)
		switch {
		case err == nil:
		case tail == "" && sqlerr.Number(err) == duplicateKey:
			return s.duplicate(ctx, tx, &out, order[from:next], err)
		case couldBeValue(tx.Server.Dialect == pool.Embedded, err):
			return &valueError{err: err}
		default:
			return fmt.Errorf("write rows of %s: %w", p.table.FullName(), err)
		}
		failpoint.Hit(failpoint.Upserting)
		from = next
	}
	return nil
}

// duplicate classifies a duplicate key of an INSERT of keys that were not in the table. If one of them is in the table
// now, another transaction inserted it, and a retry reads it. If not, the key is that of another table, which a trigger
// writes, or of a column that the query does not write; a retry alone would end the same way.
func (s *Sink) duplicate(ctx context.Context, tx *pool.Tx, p *tableRows, order []int, answer error) error {
	there, err := s.lockRows(ctx, tx, p, order, (*row.Column).IsState)
	if err != nil {
		return fmt.Errorf("lock rows of %s: %w", p.table.FullName(), err)
	}
	if len(there) > 0 {
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf(
			"write rows of %s: another transaction inserted one of them first; the commit is retried: %w", p.table.FullName(), answer)}
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrBlocked,
		Err:   fmt.Errorf("write rows of %s: duplicate key, but none of the keys is in the table: %w", p.table.FullName(), answer),
		Hint: "a trigger of the table inserts a key that exists into another table, or an AUTO_INCREMENT column has run into " +
			"existing ids; change the trigger (ON DUPLICATE KEY UPDATE) or the column, and the task resumes automatically",
	}
}
