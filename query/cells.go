package query

import (
	"bytes"
	"cmp"
	"maps"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// set makes a cell hold a value.
func set(rows *row.Rows, cell *row.Cell, v *value, k row.Kind) {
	if k == row.Text || k == row.Bytes {
		rows.SetBytes(cell, v.b)
		return
	}
	cell.Number, cell.Set = v.num, true
}

// compareCell compares a value with what a cell holds.
func compareCell(rows *row.Rows, cell *row.Cell, v *value, k row.Kind) int {
	switch k {
	case row.Text, row.Bytes:
		return bytes.Compare(v.b, rows.Bytes(cell))
	case row.Datetime:
		return cmp.Compare(v.micros(), int64(cell.Lo))
	case row.Double:
		return cmp.Compare(v.double(), value{num: cell.Number}.double())
	}
	return v.num.Compare(cell.Number)
}

// refusals are the rows that MySQL will not take. Records that make them are dead letters until the offsets have been
// passed at which the batch ended that was refused.
type refusals struct {
	rows map[refusedKey]refusal
}

type refusedKey struct{ table, key string }

type refusal struct {
	reason string
	until  map[checkpoint.Partition]int64
}

func (r *refusals) any() bool { return len(r.rows) > 0 }

func (r *refusals) find(table string, key []byte, p checkpoint.Partition, offset int64) (reason string, refused bool) {
	row, ok := r.rows[refusedKey{table, string(key)}]
	if !ok || offset >= row.until[p] {
		return "", false
	}
	return row.reason, true
}

// restore adds rows, and forgets those whose offsets the checkpoints have passed.
func (r *refusals) restore(checkpoints []checkpoint.Checkpoint, refused []batch.Refused) {
	if r.rows == nil {
		r.rows = map[refusedKey]refusal{}
	}
	next := map[checkpoint.Partition]int64{}
	for _, c := range checkpoints {
		next[c.Partition] = c.Next
	}
	for _, row := range refused {
		k := refusedKey{row.Table, string(row.Key)}
		until := maps.Clone(row.Until)
		for p, offset := range r.rows[k].until {
			if until == nil {
				until = map[checkpoint.Partition]int64{}
			}
			until[p] = max(until[p], offset)
		}
		r.rows[k] = refusal{row.Reason, until}
	}
	for k, row := range r.rows {
		for p, until := range row.until {
			if at, mine := next[p]; !mine || at >= until {
				delete(row.until, p)
			}
		}
		if len(row.until) == 0 {
			delete(r.rows, k)
		}
	}
}
