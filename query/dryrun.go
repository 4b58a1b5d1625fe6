package query

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/grid"
	terminal "github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/row"
)

// Input is a log file of a dry run. Each line is a record in partition 0 of a topic that has the file's name. The
// record's offset is the line's number, from 0. With log formats avro and avro_confluent, a file is one
// record.
type Input struct {
	Name string
	io.Reader
	// Time is the time of the records in Kafka; zero means now.
	Time time.Time
}

// Shown is a table or view of a dry run: its visible columns, and its rows in order of the key, as MySQL shows their values.
type Shown struct {
	Name    string
	Columns []grid.Column
	Rows    [][]string
	// Table is the table that it is a view of, and TableRows the number of that table's rows; empty if it is no view.
	Table     string
	TableRows int
}

// DryRunResult holds the number of lines by their fate, and the number of rows that clients would read.
type DryRunResult struct {
	Lines, Counted, Filtered, Dead int64
	Rows                           int
}

// maxLine is the maximum number of bytes of a line of a dry run.
const maxLine = 16 << 20

// DryRun folds log files with a plan and writes to out the rows that clients would read, sorted by key and as MySQL shows
// them, then at most maxDead dead letters (below 0: all) with file, line and reason, then the totals. Lines must
// have at most 16 MiB. render is applied to each reason; it is for the names of options. DryRun returns ctx's error if
// ctx ends first, and errors of inputs with the input's name.
func DryRun(ctx context.Context, p *Plan, inputs []Input, out io.Writer, maxDead int, render func(string) string) (DryRunResult, error) {
	tables, dead, res, err := Evaluate(ctx, p, inputs, maxDead)
	if err != nil {
		return res, err
	}
	w := bufio.NewWriter(out)
	for _, t := range tables {
		fmt.Fprintf(w, "%s: %d rows", terminal.Text(t.Name), len(t.Rows))
		if t.Table != "" {
			fmt.Fprintf(w, " (a view of the %d rows of %s)", t.TableRows, terminal.Text(t.Table))
		}
		fmt.Fprintln(w)
		if err := (grid.Layout{Columns: t.Columns}).Write(w, t.Rows); err != nil {
			return res, err
		}
		fmt.Fprintln(w)
	}
	if len(dead) > 0 {
		fmt.Fprintf(w, "dead letters: %d\n", res.Dead)
		for _, d := range dead {
			fmt.Fprintf(w, "%s:%d: %s\n", terminal.Text(d.Topic), d.Offset+1, Explanation(d, render))
		}
		if more := res.Dead - int64(len(dead)); more > 0 {
			fmt.Fprintf(w, "… and %d more\n", more)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d lines: %d counted, %d filtered, %d dead; %d rows\n", res.Lines, res.Counted, res.Filtered, res.Dead, res.Rows)
	return res, w.Flush()
}

// Explanation returns the reason of a dead letter with its detail, as one line. render is as for DryRun.
func Explanation(d batch.DeadLetter, render func(string) string) string {
	text := terminal.Text(render(d.Reason))
	if d.Detail != "" {
		text += " (" + terminal.Text(d.Detail) + ")"
	}
	return text
}

// Evaluate folds log files as DryRun does, and returns the rows and the dead letters. The rows of joined tables must be set
// (Joined).
func Evaluate(ctx context.Context, p *Plan, inputs []Input, maxDead int) (tables []Shown, dead []batch.DeadLetter, res DryRunResult, err error) {
	if err := p.checkJoined(); err != nil {
		return nil, nil, res, err
	}
	f := p.newFold()
	f.Explain() // the files belong to the user
	take := func(tally *batch.Tally) {
		res.Counted += tally.Counted
		res.Filtered += tally.Filtered
		res.Dead += int64(len(tally.Dead))
		for _, d := range tally.Dead {
			if maxDead < 0 || len(dead) < maxDead {
				dead = append(dead, d)
			}
		}
	}
	for _, in := range inputs {
		n, err := dryRunInput(ctx, f, in, p.options.Format == "avro" || p.options.Format == "avro_confluent", take)
		res.Lines += n
		if err != nil {
			return nil, nil, res, fmt.Errorf("%s: %w", in.Name, err)
		}
	}
	for _, rows := range f.Take().Tables {
		rows.DeriveFolded()
		t := p.shown(rows)
		res.Rows += len(t.Rows)
		tables = append(tables, t)
	}
	return tables, dead, res, nil
}

// dryRunInput folds the lines of one file, or the whole of it as one line.
func dryRunInput(ctx context.Context, f batch.Fold[row.Delta], in Input, whole bool, take func(*batch.Tally)) (lines int64, err error) {
	const most = 1000 // lines in a call of Add
	part := checkpoint.Partition{Topic: in.Name}
	at := in.Time
	if at.IsZero() {
		at = time.Now()
	}
	records := make([]batch.Record, 0, most)
	var memory []byte
	add := func() {
		var tally batch.Tally
		f.Add(part, records, &tally)
		take(&tally)
		records, memory = records[:0], nil
	}
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), maxLine)
	if whole {
		s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			if !atEOF || len(data) == 0 {
				return 0, nil, nil
			}
			return len(data), data, nil
		})
	}
	for s.Scan() {
		from := len(memory)
		line := s.Bytes()
		if lines == 0 && !whole {
			line = value.TrimBOM(line)
		}
		memory = append(memory, line...)
		records = append(records, batch.Record{Offset: lines, Timestamp: at.UnixMilli(), Value: memory[from:len(memory):len(memory)]})
		lines++
		if len(records) == most {
			add()
			if err := ctx.Err(); err != nil {
				return lines, err
			}
		}
	}
	add()
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return lines, fmt.Errorf("line %d is longer than %d bytes", lines+1, maxLine)
	}
	return lines, s.Err()
}

// shown returns rows as a dry run shows them: those of the view of their table, if it has one.
func (p *Plan) shown(rows *row.Rows) Shown {
	for _, prog := range p.programs {
		if own := prog.table(); prog.step != nil && own.FullName() == rows.Table.FullName() {
			var values [][]value.Value
			for _, i := range rows.Sorted() {
				values = append(values, rowValues(rows, i))
			}
			t := prog.shownView(rows.Table, values)
			t.Table, t.TableRows = rows.Table.FullName(), len(values)
			return t
		}
	}
	return shownTable(rows, p.shownColumns(rows.Table))
}

// shownTable returns rows as a dry run shows them, with numbers aligned to the right.
func shownTable(rows *row.Rows, columns []shown) Shown {
	t := Shown{Name: rows.Table.FullName()}
	for i := range columns {
		c := &columns[i]
		t.Columns = append(t.Columns, gridColumn(&c.Column))
	}
	for _, i := range rows.Sorted() {
		values := rowValues(rows, i)
		line := make([]string, len(columns))
		for k := range columns {
			line[k] = columns[k].text(values)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

func gridColumn(c *row.Column) grid.Column {
	return grid.Column{Name: c.Name, Right: c.Kind == row.Int || c.Kind == row.Decimal || c.Kind == row.Double}
}

// tooLargeToShow is shown in place of a computed value that has too many digits.
const tooLargeToShow = "out of range"

// shown is a column of the output: one of the table that is not hidden, or a computed one.
type shown struct {
	row.Column
	text func(values []value.Value) string // of a row whose columns have these values
}

// shownColumns returns the columns of a table as a dry run prints them, in the order in which --create-tables creates
// them.
func (p *Plan) shownColumns(t *row.Table) (columns []shown) {
	for i := range t.Columns {
		if c := t.Columns[i]; !c.Hidden {
			columns = append(columns, shown{c, func(values []value.Value) string { return cellText(values[i], &c) }})
		}
	}
	for _, prog := range p.programs {
		if prog.statement().Table == t.FullName() {
			return append(columns, prog.shownComputed(t)...)
		}
	}
	return columns
}

// shownComputed evaluates a statement's computed columns.
func (p *program) shownComputed(t *row.Table) (columns []shown) {
	for i := range p.computed {
		column, eval := p.computed[i].evaluator(t)
		columns = append(columns, shown{column, func(values []value.Value) string {
			v, ok := eval(values)
			if !ok {
				return tooLargeToShow
			}
			return cellText(v, &column)
		}})
	}
	return columns
}

// rowValues returns the values of row i in the order of the table's columns.
func rowValues(rows *row.Rows, i int) (values []value.Value) {
	t := rows.Table
	key := rows.Key(i)
	for k := range t.Columns[:t.Keys] {
		c := &t.Columns[k]
		var v value.Value
		switch c.Kind {
		case row.Int, row.Decimal:
			v.Number, key = row.KeyNumber(key)
			v.Scale = uint8(c.Scale)
		case row.Datetime:
			var micros int64
			micros, key = row.KeyDatetime(key)
			v = value.Time(micros)
		default:
			v.Bytes, key = row.KeyBytes(nil, key)
		}
		v.Set = true
		if c.Nullable {
			var null bool
			if null, key = row.KeyNull(key); null {
				v = value.Null
			}
		}
		values = append(values, v)
	}
	for j, cell := range rows.Cells(i) {
		c := &t.Columns[t.Keys+j]
		v := value.Value{Number: cell.Number, Set: cell.Set, Scale: uint8(c.Scale)}
		if v.Set && (c.Kind == row.Text || c.Kind == row.Bytes) {
			v.Bytes = rows.Bytes(&cell)
		}
		values = append(values, v)
	}
	return values
}

// cellText returns a value as MySQL shows it.
func cellText(v value.Value, c *row.Column) string {
	if !v.Set {
		return "NULL"
	}
	switch c.Kind {
	case row.Int, row.Decimal:
		return string(v.Number.AppendText(nil, c.Scale))
	case row.Double:
		return strconv.FormatFloat(math.Float64frombits(v.Number.Lo), 'g', -1, 64)
	case row.Datetime:
		return string(value.AppendTime(nil, v.Micros(), c.Scale))
	}
	return string(v.Bytes)
}
