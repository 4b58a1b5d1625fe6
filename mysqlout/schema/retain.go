package schema

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// AppendBelow appends the condition that selects the rows of windows that start before an instant. Rows whose window is
// NULL are in none.
func AppendBelow(dst []byte, t *row.Table, micros int64) []byte {
	stored := t.Column(t.Window.Column).StoredKey()
	dst = append(dst, " WHERE "...)
	if len(stored) > 1 {
		dst = append(sqltext.AppendName(dst, stored[1]), " = 0 AND "...)
	}
	dst = append(sqltext.AppendName(dst, stored[0]), " < "...)
	return sqltext.AppendDatetime(dst, micros)
}

// CountBelow counts the rows of windows that start before an instant, up to a limit. It locks none.
func CountBelow(ctx context.Context, tx *pool.Tx, t *row.Table, micros int64, limit int) (rows int64, err error) {
	text := append([]byte("SELECT COUNT(*) FROM (SELECT 1 FROM "), sqltext.AppendTableName(nil, t)...)
	text = fmt.Appendf(AppendBelow(text, t, micros), " LIMIT %d) AS old", limit)
	err = tx.Query(ctx, string(text), func(scan func(...any) error) error { return scan(&rows) })
	return rows, err
}

// windowColumn returns the column of the table that holds the start of the window.
func windowColumn(t *row.Table) string { return t.Column(t.Window.Column).StoredKey()[0] }

// LowWater returns the low-water mark of a table whose windows are kept for some time: the start of the first window that
// had not ended that long before now. Now is the server's clock, but no later than the newest window of the table. So a
// server whose clock is ahead deletes no more than what the records themselves have outlived, nor does a record from the
// future delete more than what the clock has. ok is false if the table has no window.
func LowWater(ctx context.Context, tx *pool.Tx, t *row.Table, keep time.Duration) (micros int64, ok bool, err error) {
	stored := t.Column(t.Window.Column).StoredKey()
	column := string(sqltext.AppendName(nil, stored[0]))
	const since = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', %s)"
	text := fmt.Appendf(nil, "SELECT "+since+", "+since+" FROM ", column, "UTC_TIMESTAMP(6)")
	text = sqltext.AppendTableName(text, t)
	if len(stored) > 1 {
		text = append(sqltext.AppendName(append(text, " WHERE "...), stored[1]), " = 0"...)
	}
	text = append(text, " ORDER BY "+column+" DESC LIMIT 1"...)
	err = tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var newest, clock int64
		if err := scan(&newest, &clock); err != nil {
			return err
		}
		const second = int64(time.Second / time.Microsecond)
		low := t.Window.Floor(min(newest, clock) - keep.Microseconds())
		micros, ok = low-(low%second+second)%second, true // etl_retain has whole seconds
		return nil
	})
	return micros, ok, err
}

// retained checks whether windows of a table can be deleted.
func (j *tableChecker) retained(ctx context.Context, tx *pool.Tx, actual *row.Table) error {
	name, column := j.want.FullName(), windowColumn(actual)
	if j.found.kind != "BASE TABLE" || j.found.column(column) == nil || j.server.Dialect == pool.Embedded {
		return nil // a missing table is created as it should be
	}
	indexed := false
	for _, parts := range j.found.uniques {
		indexed = indexed || strings.EqualFold(parts[0].column, column)
	}
	for _, columns := range j.found.others {
		indexed = indexed || strings.EqualFold(columns[0], column)
	}
	if !indexed {
		j.warn(name, j.alter("ADD INDEX (%s)", sqltext.AppendName(nil, column)),
			"no index begins with its window %s, so the server reads the whole table for each piece of windows that is deleted", column)
	}
	text := string(sqltext.AppendTableName([]byte("DELETE FROM "), j.want)) + " WHERE 1 = 0"
	switch _, err := tx.Exec(ctx, text); sqlerr.Number(err) {
	case 1142, 1143: // no privilege
		j.refuse(name, fmt.Sprintf("GRANT DELETE ON %s TO CURRENT_USER, as an administrator", sqltext.AppendTableName(nil, j.want)),
			"the user of etl has no right to delete its old windows")
		return nil
	default:
		return err
	}
}

// Expired is how many rows the first deletion of old windows would delete.
type Expired struct {
	Before time.Time // the low-water mark; zero if the table has no window
	Rows   int64
	More   bool // there are more rows than that; counting them would take long
}

// maxExpired is the most rows that CountExpired counts.
const maxExpired = 1_000_000

// CountExpired counts the rows of windows that a start would delete from a table that is kept for some time.
func (c *Checker) CountExpired(ctx context.Context, t *row.Table, keep time.Duration) (out Expired, err error) {
	doing := "count the old windows of " + t.FullName()
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return out, sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	low, ok, err := LowWater(ctx, tx, t, keep)
	if err != nil || !ok {
		if err != nil {
			err = sqlerr.Classify(doing, err)
		}
		return out, err
	}
	out.Before = time.UnixMicro(low).UTC()
	if out.Rows, err = CountBelow(ctx, tx, t, low, maxExpired+1); err != nil {
		return out, sqlerr.Classify(doing, err)
	}
	if out.Rows > maxExpired {
		out.Rows, out.More = maxExpired, true
	}
	return out, nil
}
