package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// DedupTable returns etl_dedup as the fold writes it (P28): each row has an event ID, with the offset and the Kafka
// timestamp (in milliseconds) of its record.
func DedupTable() row.Table {
	return row.Table{Name: sqltext.DedupTable, Keys: 4, Grouped: true, Columns: []row.Column{
		{Name: "job", Kind: row.Text, Merge: row.Key},
		{Name: "topic", Kind: row.Text, Merge: row.Key},
		{Name: "partition_id", Kind: row.Int, Merge: row.Key},
		{Name: "id", Kind: row.Bytes, Merge: row.Key},
		{Name: "record_offset", Kind: row.Int, Merge: row.Last},
		{Name: "record_timestamp", Kind: row.Int, Merge: row.Last},
	}}
}

// LoadIDs implements dedup.Store. It reads committed rows only; after a claim, no earlier owner can add to them.
func (l *Ledger) LoadIDs(ctx context.Context, p checkpoint.Partition, before int64, most int, each func(id [16]byte, at int64)) error {
	const doing = "read event IDs"
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	type found struct {
		id [16]byte
		at int64
	}
	var all []found
	text := sqltext.AppendPartition([]byte("SELECT HEX(id), record_timestamp FROM etl_dedup"), l.job, p)
	text = fmt.Appendf(text, " AND record_offset < %d ORDER BY record_offset DESC LIMIT %d", before, most)
	err = tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var digits string
		var f found
		if err := scan(&digits, &f.at); err != nil {
			return err
		}
		if n, err := hex.Decode(f.id[:], []byte(digits)); err != nil || n != len(f.id) {
			return fmt.Errorf("etl_dedup holds the id %s, which must be 16 bytes", digits)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		return sqlerr.Classify(doing, err)
	}
	for _, f := range slices.Backward(all) {
		each(f.id, f.at)
	}
	return nil
}

// PruneIDs removes event IDs that have left the window of their partition, by age or by number, in batches so that no
// lock is held for long, and returns how many it removed. It never waits for a writer's locks: writers insert IDs at
// offsets from the checkpoint on, and it removes those below.
func (l *Ledger) PruneIDs(ctx context.Context, topic string, window time.Duration, records int) (removed int64, err error) {
	offsets, err := l.Offsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	for i := range offsets {
		n, err := l.pruneIDs(ctx, offsets[i].Checkpoint, window, records)
		removed += n
		if err != nil {
			return removed, sqlerr.Classify("prune event IDs", err)
		}
	}
	return removed, nil
}

const pruneAtOnce = 1000

// pruneIDs prunes one partition. The age of an ID is measured from the newest record's time, but at most from the
// server's clock: a producer whose clock is far ahead must not end the window of all others.
func (l *Ledger) pruneIDs(ctx context.Context, c checkpoint.Checkpoint, window time.Duration, records int) (removed int64, err error) {
	where := fmt.Sprintf("%s AND record_offset < %d", sqltext.AppendPartition(nil, l.job, c.Partition), c.Next)
	var newest, oldest int64
	err = l.inTx(ctx, func(tx *pool.Tx) error {
		read := func(what string, from int, into *int64) error {
			text := fmt.Sprintf("SELECT %s FROM etl_dedup%s ORDER BY record_offset DESC LIMIT 1 OFFSET %d", what, where, from)
			return tx.Query(ctx, text, func(scan func(...any) error) error { return scan(into) })
		}
		return errors.Join(
			read("LEAST(record_timestamp, 1000 * UNIX_TIMESTAMP())", 0, &newest),
			read("record_offset", records-1, &oldest))
	})
	if err != nil {
		return 0, err
	}
	for _, left := range []string{
		fmt.Sprintf("record_offset < %d", oldest),
		fmt.Sprintf("record_timestamp < %d", newest-window.Milliseconds()),
	} {
		for n := int64(pruneAtOnce); n == pruneAtOnce; removed += n {
			err := l.inTx(ctx, func(tx *pool.Tx) (err error) {
				n, err = tx.Exec(ctx, fmt.Sprintf("DELETE FROM etl_dedup%s AND %s ORDER BY record_offset LIMIT %d", where, left, pruneAtOnce))
				return err
			})
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// inTx runs do in a transaction of its own.
func (l *Ledger) inTx(ctx context.Context, do func(*pool.Tx) error) error {
	tx, err := l.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	return tx.Commit(ctx)
}
