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

// Store is where identities are kept between processes: what the rows of [Dedup.Table] were written to.
type Store interface {
	// Remembered calls each for the newest identities of a partition's records before that offset, at most so many, in
	// ascending order of offset. at is Kafka's time of the record in milliseconds. It may block until ctx ends; it is
	// safe for concurrent use.
	Remembered(ctx context.Context, p checkpoint.Partition, before int64, most int, each func(id [16]byte, at int64)) error
}

// Dedup makes folds that count copies once. It is safe for concurrent use; each fold belongs to one task.
type Dedup struct {
	cfg     Config
	job     string
	table   row.Table
	store   Store
	header  func(*batch.Record) []byte
	metrics *metrics
}

// fold is a batch.Fold around another one.
type fold struct {
	d       *Dedup
	inner   batch.Fold[row.Delta]
	windows map[checkpoint.Partition]*window
	ids     *row.Rows // remembered since the last Take
	key     []byte
}

// NewFold makes a fold that keeps copies from inner, for one task.
func (d *Dedup) NewFold(inner batch.Fold[row.Delta]) batch.Fold[row.Delta] {
	f := &fold{d: d, inner: inner, windows: map[checkpoint.Partition]*window{}}
	f.begin()
	return f
}

func (f *fold) begin() { f.ids = row.NewRows(&f.d.table) }

// Add implements batch.Fold. Records between copies go to the inner fold as they are. The window is not part of the
// size: it is bounded by itself, and no commit makes it smaller.
func (f *fold) Add(p checkpoint.Partition, records []batch.Record, tally *batch.Tally) (size int64) {
	w := f.windows[p]
	if w == nil {
		panic(fmt.Sprintf("BUG: records of %v before its window was read", p))
	}
	from, copies, anonymous := 0, 0, 0
	for i := range records {
		r := &records[i]
		identity := f.d.header(r)
		if len(identity) == 0 {
			anonymous++
			continue
		}
		sum := sha256.Sum256(identity)
		id := ID(sum[:16])
		if w.add(id, r.Timestamp) {
			f.remember(p, id, r)
			continue
		}
		if from < i {
			f.inner.Add(p, records[from:i], tally)
		}
		from = i + 1
		copies++
	}
	tally.Duplicates += int64(copies)
	f.d.metrics.duplicates.Add(float64(copies))
	f.d.metrics.anonymous.Add(float64(anonymous))
	return f.inner.Add(p, records[from:], tally) + f.ids.Size()
}

// remember adds a row to the delta. One that the table still has from before the window is moved to the new offset.
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

// Restore implements batch.Fold: memory becomes what the store has.
func (f *fold) Restore(ctx context.Context, checkpoints []checkpoint.Checkpoint, refused []batch.RejectedRow) error {
	f.begin()
	windows := make(map[checkpoint.Partition]*window, len(checkpoints))
	for i := range checkpoints {
		c := &checkpoints[i]
		w := newWindow(f.d.cfg)
		err := f.d.store.Remembered(ctx, c.Partition, c.Next, f.d.cfg.Records, func(id [16]byte, at int64) { w.add(id, at) })
		if err != nil {
			return fmt.Errorf("load the event IDs of %v: %w", c.Partition, err)
		}
		windows[c.Partition] = w
	}
	f.windows = windows
	return f.inner.Restore(ctx, checkpoints, refused)
}
