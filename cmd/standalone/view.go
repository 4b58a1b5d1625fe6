package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/sluice-etl/sluice/internal/grid"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// viewRows is the number of rows shown.
const viewRows = 12

// tableView shows a table: redrawn in place on a terminal, as single lines elsewhere.
type tableView struct {
	conns   *pool.Pool
	table   string
	columns []string
	order   string
	out     io.Writer
	rewrite bool
	page    string
	lines   int // drawn last time
}

func newTableView(cfg pool.Config, t *row.Table, out io.Writer, rewrite bool, page string, log *slog.Logger) *tableView {
	v := &tableView{conns: pool.New(cfg, log, nil), out: out, rewrite: rewrite, page: page, table: t.FullName()}
	for i, c := range t.Columns {
		if c.Hidden {
			continue
		}
		v.columns = append(v.columns, c.Name)
		if v.order == "" && (i >= t.Keys || i == len(t.Columns)-1) {
			v.order = fmt.Sprintf("%d DESC, 1", len(v.columns)) // the first count, the largest first
		}
	}
	return v
}

func (v *tableView) close() { _ = v.conns.Close() } // only read from

// draw shows the table in its current state. A table that cannot be read yet is shown empty.
func (v *tableView) draw(ctx context.Context, head string) {
	rows, total := v.read(ctx)
	if ctx.Err() != nil {
		return
	}
	var b bytes.Buffer
	if v.rewrite && v.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.lines)
	}
	if !v.rewrite {
		_, _ = io.WriteString(v.out, oneLine(head, v.table, rows, total, v.page))
		return
	}
	begin := b.Len()
	fmt.Fprintf(&b, "\n%s; %s has %d rows\n\n", head, quote.Text(v.table), total)
	writeRows(&b, v.columns, rows)
	fmt.Fprintf(&b, "\nDetails: %s    Ctrl-C stops\n", v.page)
	v.lines = bytes.Count(b.Bytes()[begin:], []byte{'\n'})
	_, _ = v.out.Write(b.Bytes())
}

// read returns the first rows, and how many there are. It ends its transaction, because the embedded server executes one
// at a time.
func (v *tableView) read(ctx context.Context) (rows [][]string, total int) {
	tx, err := v.conns.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return nil, 0
	}
	defer tx.Rollback(ctx)
	name := "`" + strings.ReplaceAll(v.table, ".", "`.`") + "`"
	_ = tx.Query(ctx, "SELECT COUNT(*) FROM "+name, func(scan func(...any) error) error { return scan(&total) })
	cols := "`" + strings.Join(v.columns, "`, `") + "`"
	_ = tx.Query(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s LIMIT %d", cols, name, v.order, viewRows), func(scan func(...any) error) error {
		values := make([]*string, len(v.columns))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := scan(into...); err != nil {
			return err
		}
		line := make([]string, len(values))
		for i, s := range values {
			line[i] = "NULL"
			if s != nil {
				line[i] = *s
			}
		}
		rows = append(rows, line)
		return nil
	})
	return rows, total
}

// oneLine formats the table for output that is not a terminal.
func oneLine(head, table string, rows [][]string, total int, page string) string {
	line := fmt.Sprintf("%s; %s has %d rows", head, table, total)
	if len(rows) > 0 {
		line += ", the first: " + strings.Join(rows[0], " ")
	}
	return quote.Text(line+"; "+page) + "\n"
}

// writeRows writes the rows in aligned columns.
func writeRows(w *bytes.Buffer, columns []string, rows [][]string) {
	_ = grid.Layout{Columns: grid.Right(columns...), Indent: "  ", MaxWidth: 40, Rule: true}.Write(w, rows) // into memory
}
