package query

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/grid"
	terminal "github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// Explain writes to w what the query does, for people: the format, and for each statement the fields that it reads, its
// filter, what makes a row, and the columns of the row. Then follow the statements of SQL that sql returns for each table
// that is written.
func (p *Plan) Explain(w io.Writer, sql func(t *row.Table) string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "format %s, times without a zone in %s\n", p.options.Format, p.options.TimeZone)
	for _, limit := range []struct {
		side string
		most time.Duration
	}{{"before", p.options.MaxLateness}, {"after", p.options.MaxAhead}} {
		if limit.most > 0 {
			fmt.Fprintf(b, "times of windows at most %s %s the record's timestamp in Kafka\n", limit.most, limit.side)
		}
	}
	for _, prog := range p.programs {
		fmt.Fprintf(b, "\nstatement %d: %s\n", prog.number+1, terminal.Text(prog.st.Text))
		if err := prog.explain(b, p); err != nil {
			return err
		}
	}
	for i := range p.tables {
		t := &p.tables[i]
		fmt.Fprintf(b, "\ntable %s\n\n%s\n", terminal.Text(t.FullName()), terminal.Lines(sql(t)))
	}
	return b.Flush()
}

// explain writes a statement's plan.
func (p *program) explain(w io.Writer, plan *Plan) error {
	line := func(label, text string) { fmt.Fprintf(w, "  %-7s %s\n", label, terminal.Text(text)) }
	var fields []string
	for _, f := range p.fields {
		fields = append(fields, f.Source.Text+" ("+typeText(f.Type)+")")
	}
	if fields == nil {
		fields = []string{"none"}
	}
	line("fields", strings.Join(fields, ", "))
	filter := "none: every record is selected"
	if p.st.Where != nil {
		filter = p.st.Where.Text
	}
	line("filter", filter)
	for _, e := range p.st.Elements {
		label := "rows of"
		if e.Joined != nil {
			label = "join"
			if e.Left {
				label = "left join"
			}
		}
		line(label, e.Text)
	}
	line("row", p.rowText())
	if target := p.target(); p.step != nil {
		line("table", target.FullName()+", which the view "+p.st.Table+" reads")
	} else {
		line("table", target.FullName())
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, list := range [][]output{p.keys, p.cells} {
		for i := range list {
			rows = append(rows, []string{list[i].name, list[i].mergeText(), list[i].text(), list[i].argumentText()})
		}
	}
	for i := range p.computed {
		rows = append(rows, []string{p.computed[i].name, "computed", p.computed[i].x.Text, "by MySQL, from the other columns"})
	}
	columns := []grid.Column{{Name: "column"}, {Name: "kept as"}, {Name: "of"}, {Name: "type"}}
	return grid.Layout{Columns: columns, Indent: "  "}.Write(w, rows)
}

// rowText says what makes a row of the table.
func (p *program) rowText() string {
	switch {
	case !p.grouped:
		return "one for each record"
	case len(p.st.Group) == 0:
		return "one for all records"
	}
	var names []string
	for i := range p.keys {
		names = append(names, p.keys[i].name)
	}
	text := "one for each group of " + strings.Join(names, ", ")
	if p.step != nil && p.step.session != nil {
		text += fmt.Sprintf("; %s is a part of a session, of %d s, and the view joins the parts", p.step.session.part, p.step.session.gap)
	}
	return text
}

// mergeText says how values of the column are combined.
func (o *output) mergeText() string {
	switch {
	case o.key:
		return "key"
	case o.state != nil:
		return "from " + o.state.name
	case o.order != nil && o.aggregate == aggregate.Chosen:
		return "chosen by " + o.order.name
	case o.aggregate == aggregate.Order:
		return "order"
	}
	switch o.mergeKind() {
	case row.Add:
		return "sum"
	case row.Min:
		return "smallest"
	case row.Max:
		return "largest"
	case row.BitAnd, row.BitOr, row.BitXor:
		return "bits"
	case row.Replace, row.Latest:
		return "last"
	case row.First, row.Earliest:
		return "first"
	case row.Plain:
		return "value"
	}
	return "state"
}

// text returns the column's expression.
func (o *output) text() string {
	switch {
	case o.source != nil:
		return o.source.Text
	case o.x.Source != nil:
		return o.x.Source.Text
	}
	return joinedText(o.of)
}

// joinedText returns the texts of a list of expressions.
func joinedText(list []*ast.Expr) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.Text
	}
	return strings.Join(texts, ", ")
}

// argumentText returns the type of the key or of the aggregate's argument; empty if there is none.
func (o *output) argumentText() string {
	if o.x.Eval == nil || o.merge != nil && o.order == nil { // what a state or an order takes is of its own form
		return ""
	}
	return typeText(o.x.Type)
}

// typeText describes a type: its kind, and whether it can be NULL.
func typeText(t value.Type) string {
	if t.Nullable {
		return t.Kind.String() + " or NULL"
	}
	return t.Kind.String()
}
