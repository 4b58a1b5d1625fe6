package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// viewRows is how much of a table is shown.
const viewRows = 12

// tableView shows a table in the terminal: rewritten in place there, line by line elsewhere.
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
		v.columns = append(v.columns, c.Name)
		if v.order == "" && (i >= t.Keys || i == len(t.Columns)-1) {
			v.order = fmt.Sprintf("%d DESC, 1", i+1) // the first count, the largest first
		}
	}
	return v
}

func (v *tableView) close() { _ = v.conns.Close() } // only read from

// draw shows the table as it is now. A table that cannot be read yet is shown empty.
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
		fmt.Fprintf(&b, "%s; %s has %d rows", head, v.table, total)
		if len(rows) > 0 {
			fmt.Fprintf(&b, ", the first: %s", strings.Join(rows[0], " "))
		}
		fmt.Fprintf(&b, "; %s\n", v.page)
		_, _ = v.out.Write(b.Bytes())
		return
	}
	begin := b.Len()
	fmt.Fprintf(&b, "\n%s; %s has %d rows\n\n", head, v.table, total)
	writeTable(&b, v.columns, rows)
	fmt.Fprintf(&b, "\nThe same and more on %s    Ctrl-C stops\n", v.page)
	v.lines = bytes.Count(b.Bytes()[begin:], []byte{'\n'})
	_, _ = v.out.Write(b.Bytes())
}

// read takes the first rows, and how many there are. It ends its transaction, since the embedded server takes one at
// a time.
func (v *tableView) read(ctx context.Context) (rows [][]string, total int) {
	tx, err := v.conns.Tx(ctx, pool.Second)
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

// writeTable aligns the columns.
func writeTable(w io.Writer, head []string, rows [][]string) {
	const most = 40
	width := make([]int, len(head))
	for _, line := range append([][]string{head}, rows...) {
		for i, s := range line {
			width[i] = min(most, max(width[i], len([]rune(s))))
		}
	}
	for n, line := range append([][]string{head}, rows...) {
		for i, s := range line {
			if r := []rune(s); len(r) > most {
				s = string(r[:most-1]) + "…"
			}
			fmt.Fprintf(w, "  %*s", width[i], s)
		}
		fmt.Fprintln(w)
		if n == 0 {
			for _, n := range width {
				fmt.Fprint(w, "  "+strings.Repeat("─", n))
			}
			fmt.Fprintln(w)
		}
	}
}
