package dedup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// Store is where event IDs are kept between processes: the table to which the rows of a Dedup are written.
type Store interface {
	// LoadIDs calls each for the event IDs of a partition's newest records below offset before, most records at most, in
	// ascending order of offset. at is Kafka's time of the record, in milliseconds since 1970 UTC. It may block until ctx
	// ends; it is safe for concurrent use.
	LoadIDs(ctx context.Context, p checkpoint.Partition, before int64, most int, each func(id [16]byte, at int64)) error
}

// Dedup creates folds that drop duplicates. It is safe for concurrent use; each fold belongs to one task.
type Dedup struct {
	cfg     Config
	job     string
	table   row.Table
	store   Store
	header  func(*batch.Record) []byte
	metrics *metrics
}

// fold wraps another batch.Fold.
//
// Invariant: the window of a partition holds the event IDs of its newest records up to the last one that was passed to
// Add, and ids holds those among them that no Take has returned.
type fold struct {
	d       *Dedup
	inner   batch.Fold[row.Delta]
	windows map[checkpoint.Partition]*window
	ids     *row.Rows // new since the last Take
	key     []byte
}

// NewFold creates a fold for one task, which passes records to inner without their duplicates.
func (d *Dedup) NewFold(inner batch.Fold[row.Delta]) batch.Fold[row.Delta] {
	f := &fold{d: d, inner: inner, windows: map[checkpoint.Partition]*window{}}
	f.begin()
	return f
}

// begin starts a new delta of event IDs.
func (f *fold) begin() { f.ids = row.NewRows(&f.d.table) }

// Add implements batch.Fold. Runs of records between duplicates are passed to the inner fold unchanged. The window is
// not part of the size: it has a bound of its own, and no commit makes it smaller.
func (f *fold) Add(p checkpoint.Partition, records []batch.Record, tally *batch.Tally) (size int64) {
	w := f.windows[p]
	if w == nil {
		panic(fmt.Sprintf("BUG: records of %v before its window was read", p))
	}
	from, duplicates, withoutID := 0, 0, 0
	for i := range records {
		r := &records[i]
		value := f.d.header(r)
		if len(value) == 0 {
			withoutID++
			continue
		}
		sum := sha256.Sum256(value)
		id := ID(sum[:16])
		if w.add(id, r.Timestamp) {
			f.remember(p, id, r)
			continue
		}
		if from < i {
			f.inner.Add(p, records[from:i], tally)
		}
		from = i + 1
		duplicates++
	}
	tally.Duplicates += int64(duplicates)
	f.d.metrics.duplicates.Add(float64(duplicates))
	f.d.metrics.withoutID.Add(float64(withoutID))
	return f.inner.Add(p, records[from:], tally) + f.ids.Size()
}

// remember adds a row to the delta. If the table still has the event ID from before the window, its row is updated to
// the new offset.
func (f *fold) remember(p checkpoint.Partition, id ID, r *batch.Record) {
	f.key = row.AppendKeyBytes(f.key[:0], []byte(f.d.job))
	f.key = row.AppendKeyBytes(f.key, []byte(p.Topic))
	f.key = row.AppendKeyNumber(f.key, row.FromInt(int64(p.ID)))
	f.key = row.AppendKeyBytes(f.key, id[:])
	i, _ := f.ids.Find(f.key)
	cells := f.ids.Cells(i)
	cells[0] = row.Cell{Number: row.FromInt(r.Offset), Set: true}
	cells[1] = row.Cell{Number: row.FromInt(r.Timestamp), Set: true}
}

// Take implements batch.Fold.
func (f *fold) Take() row.Delta {
	delta := f.inner.Take()
	if f.ids.Len() > 0 {
		delta.Tables = append(slices.Clone(delta.Tables), f.ids)
		slices.SortStableFunc(delta.Tables, func(a, b *row.Rows) int {
			return strings.Compare(a.Table.FullName(), b.Table.FullName())
		})
		f.begin()
	}
	return delta
}

// Restore implements batch.Fold: it replaces what is in memory by what the store holds.
func (f *fold) Restore(ctx context.Context, checkpoints []checkpoint.Checkpoint, rejected []batch.RejectedRow) error {
	f.begin()
	windows := make(map[checkpoint.Partition]*window, len(checkpoints))
	for i := range checkpoints {
		c := &checkpoints[i]
		w := newWindow(f.d.cfg)
		err := f.d.store.LoadIDs(ctx, c.Partition, c.Next, f.d.cfg.Records, func(id [16]byte, at int64) { w.add(id, at) })
		if err != nil {
			return fmt.Errorf("load the event IDs of %v: %w", c.Partition, err)
		}
		windows[c.Partition] = w
	}
	f.windows = windows
	return f.inner.Restore(ctx, checkpoints, rejected)
}
