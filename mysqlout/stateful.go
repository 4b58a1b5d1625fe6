package mysqlout

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
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
//     leaves the Follows columns as they are. The INSERT of the last sort needs a value for each column, and the server
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

// storedValues are columns of one row as the server returns them, in the order in which they were read; nil is NULL.
type storedValues [][]byte

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

// share is which totals are joined, additive columns and sketches: those of all rows, as a commit does, or fewer, to find
// out which of them MySQL rejects.
type share struct {
	rows map[int]bool // the rows of the batch whose totals are joined; nil is all
	own  bool         // the sketches of these rows are not joined with the stored ones
}

func (s share) has(i int) bool { return s.rows == nil || s.rows[i] }

// joinStored locks the rows of order that are in the table and joins them with the batch's.
func (s *Sink) joinStored(ctx context.Context, tx *pool.Tx, p *tableRows, order []int, totals share) (joinedRows, error) {
	states, err := s.lockRows(ctx, tx, p, order, (*row.Column).IsState)
	if err != nil {
		return joinedRows{}, fmt.Errorf("lock rows of %s: %w", p.table.FullName(), err)
	}
	joined, err := p.join(order, states, totals)
	if err != nil || len(joined.kept) == 0 {
		return joined, err
	}
	out := *p
	out.rows = joined.rows
	values, err := s.lockRows(ctx, tx, &out, joined.kept, isFollower)
	if err != nil {
		return joined, fmt.Errorf("read rows of %s: %w", p.table.FullName(), err)
	}
	joined.keep(values)
	return joined, nil
}

func isFollower(c *row.Column) bool { return c.Traits().Follows }

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

// joinedRows is a batch's rows joined with the states in the table: one row for each key.
type joinedRows struct {
	rows     *row.Rows
	fresh    []int // rows whose key is not in the table
	replaced []int // rows that replace the values of their key's last record, if their table has such values
	kept     []int // rows whose key has a later record in the table: only states and additive columns change
	// stored is rows for the INSERT of those that are kept, with the stored values of Follows columns.
	stored *row.Rows
	// winners is, for each of rows, the batch's row whose values it holds, -1 if there is none.
	winners []int
}

// join joins the rows of the batch, in order of key, with the states of the table, by encoded key.
func (p *tableRows) join(order []int, stored map[string]storedValues, totals share) (joinedRows, error) {
	out := joinedRows{rows: row.NewRows(p.rows.Table)}
	for from := 0; from < len(order); {
		key := p.rows.Key(order[from])
		states, present := stored[string(key)]
		i, _ := out.rows.Find(key)
		winner := -1
		for end := p.endOfKey(order, from); from < end; from++ {
			replaces, err := p.joinRow(out.rows, i, order[from], states, totals)
			if err != nil {
				return out, err
			}
			if replaces {
				winner = order[from]
			}
		}
		out.rows.Derive(i)
		out.winners = append(out.winners, winner)
		switch {
		case !present:
			out.fresh = append(out.fresh, i)
		case winner >= 0 || !p.follows:
			out.replaced = append(out.replaced, i)
		default:
			out.kept = append(out.kept, i)
		}
	}
	return out, nil
}

// joinRow joins row from of the batch to row i of into. States that the row does not hold yet are those of the table.
func (p *tableRows) joinRow(into *row.Rows, i, from int, stored storedValues, totals share) (replaces bool, err error) {
	cells, added := into.Cells(i), p.rows.Cells(from)
	columns := p.rows.Table.Columns[p.rows.Table.Keys:]
	n := 0
	for j := range columns {
		merge, ok := columns[j].Merge.(row.Stateful)
		if !ok {
			continue
		}
		sketch := columns[j].Traits().Total
		before := storedState(stored, n)
		n++
		switch {
		case cells[j].Set:
			before = into.Bytes(&cells[j])
		case sketch && totals.own:
			before = nil
		}
		if sketch && !totals.has(from) {
			continue
		}
		state, wins, err := merge.Join(nil, before, merge.AppendState(nil, p.rows, &added[j]))
		if err != nil {
			return false, p.stateError(&columns[j], err)
		}
		if most := p.table.Columns[p.table.Keys+j].MaxBytes; most > 0 && len(state) > most {
			return false, &checkpoint.Error{
				Class: checkpoint.ErrBlocked,
				Err: fmt.Errorf("column %s of table %s: a state needs %d bytes, the column takes %d",
					columns[j].Name, p.table.FullName(), len(state), most),
				Hint: "make the column wider (ALTER TABLE … MODIFY to MEDIUMBLOB NOT NULL or LONGBLOB NOT NULL), and the task resumes automatically",
			}
		}
		into.SetBytes(&cells[j], state)
		replaces = replaces || wins
	}
	for j := range columns {
		c := &columns[j]
		t := c.Traits()
		if c.IsState() || c.IsDerived() || t.Follows && !replaces || !t.Follows && !totals.has(from) {
			continue
		}
		c.Merge.Fold(into, &cells[j], c.Kind, row.Value{Number: added[j].Number, Bytes: p.rows.Bytes(&added[j]), Set: added[j].Set})
	}
	return replaces, nil
}

// storedState returns the n-th state of a stored row, nil if there is no row. NULL is an empty state.
func storedState(stored storedValues, n int) []byte {
	switch {
	case stored == nil:
		return nil
	case stored[n] == nil:
		return []byte{}
	}
	return stored[n]
}

// stateError returns the error of a state that cannot be joined.
func (p *tableRows) stateError(c *row.Column, err error) error {
	out := &checkpoint.Error{
		Class: checkpoint.ErrBlocked, Err: fmt.Errorf("column %s of table %s: %w", c.Name, p.table.FullName(), err),
		Hint: "another program has written to the table; restore the column from a backup, or empty the table and replay the topic",
	}
	if full, ok := errors.AsType[*row.FullError](err); ok {
		out.Hint = full.Do
	}
	return out
}

// keep makes the rows for the INSERT of those that are kept: the joined ones, with the Follows values that the table
// holds. The numbers in kept are those of the new rows from then on. Values other than bytes are text as the server
// printed it, which it reads back as the same value. The server only checks them; it does not store them.
func (j *joinedRows) keep(values map[string]storedValues) {
	t := *j.rows.Table
	t.Columns = slices.Clone(t.Columns)
	for c := range t.Columns {
		if isFollower(&t.Columns[c]) && t.Columns[c].Kind != row.Bytes {
			t.Columns[c].Kind = row.Text
		}
	}
	j.stored = row.NewRows(&t)
	for n, from := range j.kept {
		key := j.rows.Key(from)
		i, _ := j.stored.Find(key)
		cells, joined, follows := j.stored.Cells(i), j.rows.Cells(from), values[string(key)]
		for c := range cells {
			column := &t.Columns[t.Keys+c]
			switch {
			case !isFollower(column):
				cells[c] = row.Cell{}
				if b := j.rows.Bytes(&joined[c]); joined[c].Set && (column.Kind == row.Text || column.Kind == row.Bytes) {
					j.stored.SetBytes(&cells[c], b)
				} else {
					cells[c].Number, cells[c].Set = joined[c].Number, joined[c].Set
				}
			case len(follows) > 0:
				if follows[0] != nil {
					j.stored.SetBytes(&cells[c], follows[0])
				}
				follows = follows[1:]
			}
		}
		j.kept[n] = i
	}
}

// lockRows locks the rows of order that are in the table, and returns some of their columns by encoded key.
func (s *Sink) lockRows(
	ctx context.Context, tx *pool.Tx, p *tableRows, order []int, wanted func(*row.Column) bool,
) (map[string]storedValues, error) {
	return s.readStored(ctx, tx, p, order, wanted, lockedValues)
}

// reading is what readStored reads of columns.
type reading struct {
	before, after string // around the name of a column that is not part of the key
	end           string // of the statement
}

var (
	lockedValues = reading{end: " FOR UPDATE"}
	lengthsOnly  = reading{before: "LENGTH(", after: ")"}
)

// readStored reads some columns of the rows of order that are in the table, by encoded key.
func (s *Sink) readStored(
	ctx context.Context, tx *pool.Tx, p *tableRows, order []int, wanted func(*row.Column) bool, how reading,
) (map[string]storedValues, error) {
	var keys []int // one row of each key
	for from := 0; from < len(order); from = p.endOfKey(order, from) {
		keys = append(keys, order[from])
	}
	columns := storedColumns(&p.table, wanted)
	out := make(map[string]storedValues, len(keys))
	usual, _ := s.statementBytes()
	var text []byte
	for from := 0; from < len(keys); {
		var next int
		text, next = p.appendReading(text[:0], tx.Server, columns, how, keys, from, usual)
		err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
			values := make([]sql.RawBytes, len(columns))
			into := make([]any, len(values))
			for i := range values {
				into[i] = &values[i]
			}
			if err := scan(into...); err != nil {
				return err
			}
			key, others, err := encodeKey(p.rows.Table, values)
			if err != nil {
				return err
			}
			stored := make(storedValues, len(others))
			for i, v := range others {
				if v != nil {
					stored[i] = append([]byte{}, v...)
				}
			}
			out[string(key)] = stored
			return nil
		})
		if err != nil {
			return nil, err
		}
		failpoint.Hit(failpoint.Upserting)
		from = next
	}
	return out, nil
}

// appendReading appends the SELECT of these columns, keys first, of the rows keys[from:next]. It names the key's index,
// because a scan of the table would wait for the locks of rows that the batch does not write.
func (p *tableRows) appendReading(
	dst []byte, server pool.Server, columns []string, how reading, keys []int, from, usual int,
) (text []byte, next int) {
	t := &p.table
	dst = append(dst, "SELECT "...)
	for i, name := range columns {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if c := t.Column(name); c != nil && !c.Traits().Key {
			dst = append(sqltext.AppendName(append(dst, how.before...), name), how.after...)
		} else {
			dst = sqltext.AppendName(dst, name)
		}
	}
	dst = sqltext.AppendTableName(append(dst, " FROM "...), t)
	if p.index != "" && server.Dialect != pool.Embedded {
		dst = append(sqltext.AppendName(append(dst, " FORCE INDEX ("...), p.index), ')')
	}
	dst = append(dst, " WHERE "...)
	for next = from; next < len(keys) && next < from+maxLocked && (next == from || len(dst) < usual); next++ {
		if next > from {
			dst = append(dst, " OR "...)
		}
		key, names := p.rows.Key(keys[next]), columns
		for i := range t.Keys {
			if i > 0 {
				dst = append(dst, " AND "...)
			}
			c := &p.rows.Table.Columns[i]
			dst = append(sqltext.AppendName(dst, names[0]), " = "...)
			dst, key = sqltext.AppendKeyPart(dst, c, key, nil)
			names = names[1:]
			if c.Nullable {
				dst = append(sqltext.AppendName(append(dst, " AND "...), names[0]), " = "...)
				dst, key = sqltext.AppendKeyNull(dst, key)
				names = names[1:]
			}
		}
	}
	return append(dst, how.end...), next
}

// encodeKey returns the key of a row that the server has returned, encoded as the fold encodes it, and the values that
// follow it.
func encodeKey(t *row.Table, values []sql.RawBytes) (key []byte, others []sql.RawBytes, err error) {
	for i := range t.Columns[:t.Keys] {
		c, v := &t.Columns[i], values[0]
		values = values[1:]
		if c.Nullable {
			null := string(values[0]) != "0"
			if values = values[1:]; null {
				key = c.AppendNullKey(key)
				continue
			}
		}
		switch c.Kind {
		case row.Int, row.Decimal:
			n, err := parseNumber(string(v), c.Scale)
			if err != nil {
				return nil, nil, err
			}
			key = row.AppendKeyNumber(key, n)
		case row.Datetime:
			at, err := time.Parse(time.DateTime, string(v)) // takes a fraction, too
			if err != nil {
				return nil, nil, err
			}
			key = row.AppendKeyDatetime(key, at.UnixMicro())
		default:
			key = row.AppendKeyBytes(key, v)
		}
		if c.Nullable {
			key = row.AppendNotNullKey(key)
		}
	}
	return key, values, nil
}

// parseNumber reads a number as servers print it, exactly, with scale digits after the point.
func parseNumber(text string, scale int) (row.Number, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	b, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || len(fraction) > row.MaxDigits {
		return row.Number{}, errors.New("not a number: " + text)
	}
	n, ok := row.FromBig(b)
	if ok {
		n, ok = n.Rescale(len(fraction), scale)
	}
	if !ok {
		return row.Number{}, errors.New("a number of more than 38 digits: " + text)
	}
	return n, nil
}
