package mysqlout

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

const dedupName = "etl_dedup"

// DedupTable is etl_dedup as rows for it are made (P28): a remembered identity for each row, with the offset and Kafka's
// time, in milliseconds, of its record.
func DedupTable() row.Table {
	return row.Table{Name: dedupName, Keys: 4, Grouped: true, Columns: []row.Column{
		{Name: "job", Kind: row.Text, Merge: row.Key},
		{Name: "topic", Kind: row.Text, Merge: row.Key},
		{Name: "partition_id", Kind: row.Int, Merge: row.Key},
		{Name: "id", Kind: row.Bytes, Merge: row.Key},
		{Name: "record_offset", Kind: row.Int, Merge: row.Last},
		{Name: "record_timestamp", Kind: row.Int, Merge: row.Last},
	}}
}

// Remembered implements dedup.Store. It reads what is committed: after a claim, nobody older can add to it.
func (s *Sink) Remembered(ctx context.Context, p checkpoint.Partition, before int64, most int, each func(id [16]byte, at int64)) error {
	const doing = "read remembered identities"
	tx, err := s.pool.Tx(ctx, pool.First)
	if err != nil {
		return s.failed(doing, err)
	}
	defer tx.Rollback(ctx)
	type found struct {
		id [16]byte
		at int64
	}
	var all []found
	text := append([]byte("SELECT HEX(id), record_timestamp FROM etl_dedup"), s.wherePartition(p)...)
	text = fmt.Appendf(text, " AND record_offset < %d ORDER BY record_offset DESC LIMIT %d", before, most)
	err = tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var digits string
		var f found
		if err := scan(&digits, &f.at); err != nil {
			return err
		}
		if n, err := hex.Decode(f.id[:], []byte(digits)); err != nil || n != len(f.id) {
			return fmt.Errorf("etl_dedup holds the id %s: want 16 bytes", digits)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		return s.failed(doing, err)
	}
	for _, f := range slices.Backward(all) {
		each(f.id, f.at)
	}
	return nil
}

func (s *Sink) wherePartition(p checkpoint.Partition) []byte {
	text := appendText([]byte(" WHERE job = "), s.config.Job)
	text = appendText(append(text, " AND topic = "...), p.Topic)
	return fmt.Appendf(text, " AND partition_id = %d", p.ID)
}

// PruneIDs removes identities that have left the window of their partition, by age or by number, some at a time so that
// no lock is long, and returns how many. Writers never meet it: they write to newer offsets.
func (s *Sink) PruneIDs(ctx context.Context, topic string, window time.Duration, records int) (removed int64, err error) {
	const doing = "prune remembered identities"
	offsets, err := s.Offsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	for i := range offsets {
		for more := true; more; {
			tx, err := s.pool.Tx(ctx, pool.Second)
			if err != nil {
				return removed, s.failed(doing, err)
			}
			n, err := s.pruneSome(ctx, tx, offsets[i].Partition, window, records)
			if err != nil {
				abandon(tx, err)
				return removed, s.failed(doing, err)
			}
			if err := tx.Commit(ctx); err != nil {
				return removed, s.failed(doing, err)
			}
			removed += n
			more = n == pruneAtOnce
		}
	}
	return removed, nil
}

const pruneAtOnce = 1000

func (s *Sink) pruneSome(ctx context.Context, tx *pool.Tx, p checkpoint.Partition, window time.Duration, records int) (removed int64, err error) {
	where := string(s.wherePartition(p))
	var newest, oldest int64
	read := func(text string, into *int64) error {
		return tx.Query(ctx, text, func(scan func(...any) error) error { return scan(into) })
	}
	if err := read("SELECT record_timestamp FROM etl_dedup"+where+" ORDER BY record_offset DESC LIMIT 1", &newest); err != nil {
		return 0, err
	}
	if err := read(fmt.Sprintf("SELECT record_offset FROM etl_dedup%s ORDER BY record_offset DESC LIMIT 1 OFFSET %d", where, records-1), &oldest); err != nil {
		return 0, err
	}
	for _, left := range []string{
		fmt.Sprintf("record_offset < %d", oldest),
		fmt.Sprintf("record_timestamp < %d", newest-window.Milliseconds()),
	} {
		n, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM etl_dedup%s AND %s ORDER BY record_offset LIMIT %d", where, left, pruneAtOnce-removed))
		if err != nil {
			return 0, err
		}
		if removed += n; removed == pruneAtOnce {
			break
		}
	}
	return removed, nil
}
