package query

import (
	"cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// refusals are the rows that MySQL rejected, so that each record of them gets its own fate (P18, P22). A merged row does
// not say which of its records is at fault. So up to the offsets at which the rejected batch ended, the records of its
// key make a row each, which is not merged with its neighbors. MySQL then rejects the rows of the guilty records alone,
// and these records are dead letters when they come again. A record is therefore folded at most three times for its own
// fault: merged, apart, dead.
//
// What was rejected before a table was altered says nothing about it now, and its keys may be written in another way. So
// refusals of another version of the table are forgotten.
type refusals struct {
	rows map[refusedKey]*refusal
}

type refusedKey struct{ table, key string }

type refusal struct {
	version int                            // of the table
	until   map[checkpoint.Partition]int64 // records below these offsets are kept apart
	dead    map[batch.RecordID]why         // of the records that MySQL rejected by themselves
	all     why                            // why all records are dead, empty where only those in dead are
}

// why is a dead letter's reason and detail.
type why struct{ reason, detail string }

func (r *refusals) any() bool { return len(r.rows) > 0 }

// find tells what becomes of a record that makes a row with this key: a dead letter where the reason is not empty, else
// a row of its own where apart is true.
func (r *refusals) find(table string, key []byte, p checkpoint.Partition, offset int64) (dead why, apart bool) {
	row := r.rows[refusedKey{table, string(key)}]
	if row == nil || offset >= row.until[p] {
		return why{}, false
	}
	return cmp.Or(row.all, row.dead[batch.RecordID{Partition: p, Offset: offset}]), true
}

// restore adds rows, and forgets those whose offsets the checkpoints have passed and those of other versions of the
// tables.
func (r *refusals) restore(tables []row.Table, checkpoints []checkpoint.Checkpoint, refused []batch.RejectedRow) {
	if r.rows == nil {
		r.rows = map[refusedKey]*refusal{}
	}
	current := make(map[string]int, len(tables))
	for i := range tables {
		current[tables[i].FullName()] = tables[i].Version
	}
	for k, row := range r.rows {
		if row.version != current[k.table] {
			delete(r.rows, k)
		}
	}
	for i := range refused {
		if refused[i].Version == current[refused[i].Table] {
			r.add(&refused[i])
		}
	}
	next := map[checkpoint.Partition]int64{}
	for _, c := range checkpoints {
		next[c.Partition] = c.Next
	}
	for k, row := range r.rows {
		for p, until := range row.until {
			if at, mine := next[p]; !mine || at >= until {
				delete(row.until, p)
			}
		}
		for s := range row.dead {
			if s.Offset >= row.until[s.Partition] {
				delete(row.dead, s)
			}
		}
		if len(row.until) == 0 {
			delete(r.rows, k)
		}
	}
}

func (r *refusals) add(refused *batch.RejectedRow) {
	k := refusedKey{refused.Table, string(refused.Key)}
	row := r.rows[k]
	if row == nil {
		row = &refusal{version: refused.Version, until: map[checkpoint.Partition]int64{}, dead: map[batch.RecordID]why{}}
		r.rows[k] = row
	}
	for p, offset := range refused.Until {
		row.until[p] = max(row.until[p], offset)
	}
	switch dead := (why{cmp.Or(refused.Reason, "MySQL rejects the row"), refused.Detail}); {
	case refused.Source != nil:
		row.dead[*refused.Source] = dead
	case !refused.Merged:
		row.all = dead
	}
}
