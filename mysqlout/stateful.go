package mysqlout

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Tables with a row.Stateful column are written in three steps of the batch's transaction, after the fence:
//
//  1. A locking read (SELECT … FOR UPDATE) of the states of all keys of the batch that are in the table.
//  2. The states are joined in Go. Each key of the batch becomes one row.
//  3. Keys that were not in the table are written by INSERT alone, the others by an upsert.
//
// Invariant: what is written was computed from the newest committed state, and nobody can have changed it since.
//
//   - A row that step 1 returns is locked until the transaction ends. A locking read returns the newest committed version
//     at every isolation level, so no state is older than the lock.
//   - A row that step 1 does not return is not locked: at READ COMMITTED there are no gap locks. If another task inserts
//     it before step 3 does, the INSERT waits for that task's transaction and then fails with a duplicate key, because
//     it has no ON DUPLICATE KEY UPDATE. The whole commit is rolled back and retried, and the retry reads the row. With
//     an upsert in its place, the other task's state would be overwritten: its batch would be lost without an error.
//   - Step 1 reads all keys of the table before step 3 writes the first one, and both go through them in ascending order.
//     Two tasks that lock keys in another order could only wait for each other in a cycle if one inserted a row between
//     the other's steps; the server then ends one of them (error 1213), and it is retried.
//
// A crash, of the process or the server, between any two of these statements: the transaction was not committed, so the
// server rolls it back, and rows, states and checkpoint are as before. The task that claims the partition next reads the
// records again, from the checkpoint that belongs to these states. A crash after COMMIT was sent is resolved like that of
// any other commit (P12): states and checkpoint were committed together or not at all.

// maxLocked is how many keys one locking read names. Servers give up range access, and scan the table, for a condition of
// many thousand keys; MariaDB makes a subquery of a list of 1000 values.
const maxLocked = 500

// storedStates are the states of one row, in the order of the table's state columns; nil where the row has none.
type storedStates [][]byte

// writeStateful is writeRows for a table with state columns.
func (s *Sink) writeStateful(ctx context.Context, tx *pool.Tx, pieces []piece, at int) error {
	p := &pieces[at]
	stored, err := s.lockStates(ctx, tx, p)
	if err != nil {
		return fmt.Errorf("lock rows of %s: %w", p.table.FullName(), err)
	}
	joined, err := p.join(stored)
	if err != nil {
		return err
	}
	for _, w := range []struct {
		order []int
		tail  string
	}{{joined.fresh, ""}, {joined.replaced, p.tail}, {joined.kept, p.keep}} {
		if err := s.writeJoined(ctx, tx, p, joined.rows, w.order, w.tail, at); err != nil {
			return err
		}
	}
	return nil
}

// writeJoined writes rows with this tail, in statements of the usual size.
func (s *Sink) writeJoined(ctx context.Context, tx *pool.Tx, p *piece, rows *row.Rows, order []int, tail string, at int) error {
	t := *p.target
	t.tail = tail
	out := piece{target: &t, rows: rows, order: order}
	usual, most := s.statementBytes()
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	for from := 0; from < len(order); {
		text, next := out.statementWithin((*buffer)[:0], order, from, usual, most)
		*buffer = text[:0]
		if len(text) > most && next == from+1 {
			return &valueError{at, 0, errTooLong}
		}
		err := s.send(ctx, tx, text)
		switch {
		case err == nil:
		case tail == "" && sqlerr.Number(err) == duplicateKey:
			return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf(
				"write rows of %s: another transaction inserted one of them first; the commit is retried: %w", p.table.FullName(), err)}
		case couldBeValue(tx.Server.Dialect == pool.Embedded, err):
			// A joined row stands for several rows of the batch, so the search starts at the first one.
			return &valueError{at, 0, err}
		default:
			return fmt.Errorf("write rows of %s: %w", p.table.FullName(), err)
		}
		failpoint.Hit(failpoint.Upserting)
		from = next
	}
	return nil
}

// joinedRows is a batch's rows joined with the states in the table: one row for each key.
type joinedRows struct {
	rows     *row.Rows
	fresh    []int // rows whose key is not in the table
	replaced []int // rows that replace the values of their key's last record
	kept     []int // rows whose key has a later record in the table: only states and additive columns change
}

// join joins the rows of the batch, in order of key, with the states of the table, by encoded key.
func (p *piece) join(stored map[string]storedStates) (joinedRows, error) {
	out := joinedRows{rows: row.NewRows(p.rows.Table)}
	for from := 0; from < len(p.order); {
		key := p.rows.Key(p.order[from])
		states, present := stored[string(key)]
		i, _ := out.rows.Find(key)
		replaced := false
		for ; from < len(p.order) && string(p.rows.Key(p.order[from])) == string(key); from++ {
			replaces, err := p.joinRow(out.rows, i, p.order[from], states)
			if err != nil {
				return out, err
			}
			replaced = replaced || replaces
		}
		switch {
		case !present:
			out.fresh = append(out.fresh, i)
		case replaced:
			out.replaced = append(out.replaced, i)
		default:
			out.kept = append(out.kept, i)
		}
	}
	return out, nil
}

// joinRow joins row from of the batch to row i of into. States that the row does not hold yet are those of the table.
func (p *piece) joinRow(into *row.Rows, i, from int, stored storedStates) (replaces bool, err error) {
	cells, added := into.Cells(i), p.rows.Cells(from)
	columns := p.rows.Table.Columns[p.rows.Table.Keys:]
	n := 0
	for j := range columns {
		merge, ok := columns[j].Merge.(row.Stateful)
		if !ok {
			continue
		}
		var before []byte
		if cells[j].Set {
			before = into.Bytes(&cells[j])
		} else if stored != nil {
			before = stored[n]
		}
		n++
		state, wins, err := merge.Join(nil, before, p.rows.Bytes(&added[j]))
		if err != nil {
			return false, &checkpoint.Error{
				Class: checkpoint.ErrBlocked, Err: fmt.Errorf("column %s of table %s: %w", columns[j].Name, p.table.FullName(), err),
				Hint: "another program has written to the column; restore it from a backup, or empty the table and replay the topic",
			}
		}
		into.SetBytes(&cells[j], state)
		replaces = replaces || wins
	}
	for j := range columns {
		c := &columns[j]
		if c.IsState() || c.Traits().Follows && !replaces {
			continue
		}
		c.Merge.Fold(into, &cells[j], c.Kind, row.Value{Number: added[j].Number, Bytes: p.rows.Bytes(&added[j]), Set: added[j].Set})
	}
	return replaces, nil
}

// lockStates locks the rows of the batch that are in the table, and returns their states by encoded key.
func (s *Sink) lockStates(ctx context.Context, tx *pool.Tx, p *piece) (map[string]storedStates, error) {
	keys := make([]int, 0, len(p.order)) // one row of each key
	for n, i := range p.order {
		if n == 0 || string(p.rows.Key(i)) != string(p.rows.Key(p.order[n-1])) {
			keys = append(keys, i)
		}
	}
	out := make(map[string]storedStates, len(keys))
	usual, _ := s.statementBytes()
	var text []byte
	for from := 0; from < len(keys); {
		var next int
		text, next = p.appendLocking(text[:0], tx.Server, keys, from, usual)
		err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
			values := make([]sql.RawBytes, p.table.Keys+p.states)
			into := make([]any, len(values))
			for i := range values {
				into[i] = &values[i]
			}
			if err := scan(into...); err != nil {
				return err
			}
			key, err := encodeKey(p.rows.Table, values[:p.table.Keys])
			if err != nil {
				return err
			}
			states := make(storedStates, p.states)
			for i, v := range values[p.table.Keys:] {
				states[i] = append([]byte(nil), v...)
			}
			out[string(key)] = states
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

// appendLocking appends the locking read of the rows keys[from:next]. It names the key's index, because a scan of the
// table would wait for the locks of rows that the batch does not write.
func (p *piece) appendLocking(dst []byte, server pool.Server, keys []int, from, usual int) (text []byte, next int) {
	t := &p.table
	dst = append(dst, "SELECT "...)
	for i := range t.Columns {
		if i >= t.Keys && !t.Columns[i].IsState() {
			continue
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = sqltext.AppendName(dst, t.Columns[i].Name)
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
		key := p.rows.Key(keys[next])
		for i := range t.Keys {
			if i > 0 {
				dst = append(dst, " AND "...)
			}
			dst = append(sqltext.AppendName(dst, t.Columns[i].Name), " = "...)
			dst, key = sqltext.AppendKeyPart(dst, &p.rows.Table.Columns[i], key, nil)
		}
	}
	return append(dst, " FOR UPDATE"...), next
}

// encodeKey is the key of a row that the server has returned, encoded as the fold encodes it.
func encodeKey(t *row.Table, values []sql.RawBytes) (key []byte, err error) {
	for i, v := range values {
		switch c := &t.Columns[i]; c.Kind {
		case row.Int, row.Decimal:
			n, err := parseNumber(string(v), c.Scale)
			if err != nil {
				return nil, err
			}
			key = row.AppendKeyNumber(key, n)
		case row.Datetime:
			at, err := time.Parse(time.DateTime, string(v)) // takes a fraction, too
			if err != nil {
				return nil, err
			}
			key = row.AppendKeyDatetime(key, at.UnixMicro())
		default:
			key = row.AppendKeyBytes(key, v)
		}
	}
	return key, nil
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
