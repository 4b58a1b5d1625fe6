package fold

import (
	"cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// rejections are the rows that MySQL rejected, so that each record of them gets its own fate (P18, P22). A merged row
// does not show which of its records MySQL rejects. So up to the offsets at which the rejected batch ended, each record
// of its key makes a row of its own, which is not merged with others. MySQL then rejects only the rows of the records
// that it cannot take, and these records are dead letters when they are read again. So a record is folded at most three
// times because of its own value: with merged rows, with separate rows (row.Rows.AddSeparate), and as a dead letter.
//
// A rejection does not apply to a table that was altered since: the table may take the row now, and its keys may be
// encoded in another way. So rejections of another version of the table are dropped.
type rejections struct {
	rows map[rejectedKey]*rejection
}

type rejectedKey struct{ table, key string }

type rejection struct {
	version int                                // of the table
	until   map[checkpoint.Partition]int64     // records below these offsets make rows of their own
	dead    map[batch.RecordID]rejectionReason // of the records whose own rows MySQL rejected
	all     rejectionReason                    // why all records are dead; empty if only those in dead are
}

// rejectionReason is a dead letter's reason and detail.
type rejectionReason struct{ reason, detail string }

func (r *rejections) any() bool { return len(r.rows) > 0 }

// find decides the fate of a record that makes a row with this key: it is a dead letter if the reason is not empty, and
// makes a separate row if separate is true.
func (r *rejections) find(table string, key []byte, p checkpoint.Partition, offset int64) (dead rejectionReason, separate bool) {
	row := r.rows[rejectedKey{table, string(key)}]
	if row == nil || offset >= row.until[p] {
		return rejectionReason{}, false
	}
	return cmp.Or(row.all, row.dead[batch.RecordID{Partition: p, Offset: offset}]), true
}

// restore adds rows, and drops those whose offsets the checkpoints have passed and those of other versions of the
// tables.
func (r *rejections) restore(tables []row.Table, checkpoints []checkpoint.Checkpoint, rejected []batch.RejectedRow) {
	if r.rows == nil {
		r.rows = map[rejectedKey]*rejection{}
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
	for i := range rejected {
		if rejected[i].Version == current[rejected[i].Table] {
			r.add(&rejected[i])
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

func (r *rejections) add(rejected *batch.RejectedRow) {
	k := rejectedKey{rejected.Table, string(rejected.Key)}
	row := r.rows[k]
	if row == nil {
		row = &rejection{version: rejected.Version, until: map[checkpoint.Partition]int64{}, dead: map[batch.RecordID]rejectionReason{}}
		r.rows[k] = row
	}
	for p, offset := range rejected.Until {
		row.until[p] = max(row.until[p], offset)
	}
	switch dead := (rejectionReason{cmp.Or(rejected.Reason, "MySQL rejects the row"), rejected.Detail}); {
	case rejected.Source != nil:
		row.dead[*rejected.Source] = dead
	case !rejected.Merged:
		row.all = dead
	}
}
