package mysqlout

import (
	"context"
	"database/sql"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// storedValues are columns of one row as the server returns them, in the order in which they were read; nil is NULL.
type storedValues [][]byte

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
