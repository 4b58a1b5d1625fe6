package query

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	terminal "github.com/sluice-etl/sluice/internal/quote"
)

// ExplainLine writes to w the way of a line through the plan: for each of its rows the fields, and for each statement the
// filter, and the values of each row that it makes. Then follows what DryRun prints of the line. at is the time of the
// record in Kafka; zero means now. render is as for DryRun.
func ExplainLine(ctx context.Context, p *Plan, line string, at time.Time, w io.Writer, render func(string) string) error {
	if at.IsZero() {
		at = time.Now()
	}
	b := bufio.NewWriter(w)
	if err := p.explainLine(b, line, at, render); err != nil {
		return err
	}
	fmt.Fprintln(b)
	if _, err := DryRun(ctx, p, []Input{{Name: "line", Reader: strings.NewReader(line), Time: at}}, b, -1, render); err != nil {
		return err
	}
	return b.Flush()
}

func (p *Plan) explainLine(w io.Writer, line string, at time.Time, render func(string) string) error {
	if err := p.checkJoined(); err != nil {
		return err
	}
	config := p.config()
	e := fold.NewEnv(&config)
	e.Adopt(config.Joined)
	e.Explain = true
	e.Partition = checkpoint.Partition{Topic: "line"}
	e.Record = &batch.Record{Timestamp: at.UnixMilli(), Value: []byte(line)}
	e.KafkaTime, e.Body = at.UnixMilli(), e.Record.Value
	all, err := p.allFields(e.Body, at)
	if err != nil {
		return err
	}
	more, err := config.Parser.Start(e.Body, &e.Fields)
	for ; more && err == nil; more, err = config.Parser.Next(&e.Fields) {
		fmt.Fprintf(w, "row %d of the line\n", e.Index+1)
		all.write(w)
		for _, prog := range p.programs {
			prog.explainRow(w, e, len(all.columns) == 0, render)
			e.Reason, e.Detail = "", ""
		}
		e.Index++
	}
	if err != nil {
		fmt.Fprintf(w, "the line is not of the format %s: %s\n", p.options.Format, terminal.Text(render(err.Error())))
	}
	return nil
}

// explainRow writes what a statement makes of one row of a record.
func (p *program) explainRow(w io.Writer, e *fold.Env, fields bool, render func(string) string) {
	fmt.Fprintf(w, "  statement %d\n", p.number+1)
	if fields {
		for _, f := range p.fields {
			v := f.Eval(e)
			explainField(w, f.Source.Text, v, f.Kind, &e.Fault)
		}
	}
	selected := value.Yes
	if p.where != nil {
		selected = p.where(e)
		names := map[value.Truth]string{value.No: "false", value.Yes: "true", value.Unknown: "NULL"}
		if e.Reason == "" {
			fmt.Fprintf(w, "    filter %s: %s\n", terminal.Text(p.st.Where.Text), names[selected])
		}
	}
	made := 0
	emit := func() {
		made++
		fmt.Fprintf(w, "    row %d of %s\n", made, terminal.Text(p.st.Table))
		for _, list := range [][]output{p.keys, p.cells} {
			for i := range list {
				if e.Reason == "" {
					list[i].explainInput(w, e)
				}
			}
		}
	}
	switch {
	case selected != value.Yes || e.Reason != "":
	case p.rows == nil:
		emit()
	default:
		p.rows(e, emit)
		if made == 0 && e.Reason == "" {
			fmt.Fprintln(w, "    no row: FROM makes none of it, or the filter selects none")
		}
	}
	if e.Reason != "" {
		fmt.Fprintf(w, "    failed: %s\n", terminal.Text(render(e.Reason)))
	}
}

// explainInput writes what a row gives to a column: the value of the key, or what an aggregate takes. What states take is
// of their own form, so it is left out.
func (o *output) explainInput(w io.Writer, e *fold.Env) {
	if o.merge != nil {
		return
	}
	var v value.Value
	if o.x.Eval != nil {
		v = o.x.Eval(e)
	}
	kind := o.x.Kind
	if !o.key && (o.aggregate == aggregate.Count || o.aggregate == aggregate.CountValues) {
		in := o.aggregate.Input(&v)
		v, kind = value.Value{Number: in.Number, Set: in.Set}, value.KindInt
	}
	if e.Reason == "" {
		explainValue(w, fmt.Sprintf("      %s %s = %s", o.mergeText(), o.name, o.text()), v, kind)
	}
}

// explainField writes a field, or why it cannot be read, which is forgotten: a statement need not read the field.
func explainField(w io.Writer, name string, v value.Value, k value.Kind, failed *value.Fault) {
	if failed.Reason != "" {
		fmt.Fprintf(w, "    %s: cannot be read: %s\n", terminal.Text(name), terminal.Text(failed.Reason))
		failed.Reason, failed.Detail = "", ""
		return
	}
	explainValue(w, "    "+name, v, k)
}

// explainValue writes a value with its name and kind.
func explainValue(w io.Writer, name string, v value.Value, k value.Kind) {
	text := "NULL"
	if v.Set {
		text = terminal.Text(value.Show(v, k).String())
	}
	fmt.Fprintf(w, "%s: %s (%s)\n", terminal.Text(name), text, k)
}

// allFields reads every column of a format, not only those that the query uses. It has none where every name is a column.
type allFields struct {
	parser  format.Parser
	names   []string
	columns []format.Column
	fields  format.Fields
	more    bool
	err     error
}

// allFields starts to read a body. The columns are those of a second format of the same definition, because a format that
// has parsers is not changed.
func (p *Plan) allFields(body []byte, at time.Time) (*allFields, error) {
	f, err := format.New(p.options.Format, p.options.FormatString)
	if err != nil {
		return nil, err
	}
	all := &allFields{names: f.Names()}
	for _, name := range all.names {
		c, ok := f.Column([]string{name})
		if !ok {
			c, ok = f.Column(strings.Split(name, ".")) // of a record within the record, or of one format of a list
		}
		if !ok {
			return nil, fmt.Errorf("format %s lists a column %s that it does not have", p.options.Format, name)
		}
		all.columns = append(all.columns, c)
	}
	var slots int
	all.parser, slots = f.NewParser()
	all.fields = format.Fields{Fault: value.Fault{Explain: true}, Values: make([]value.Value, slots), Times: value.LogTimes{Zone: p.options.TimeZone}, KafkaTime: at.UnixMilli()}
	all.more, all.err = all.parser.Start(body, &all.fields)
	return all, nil
}

// write writes the fields of the next row.
func (a *allFields) write(w io.Writer) {
	if !a.more || a.err != nil {
		return
	}
	for i, c := range a.columns {
		v := a.fields.Values[c.Slot]
		if v.Set && c.Read != nil {
			v = c.Read(&a.fields, v)
		}
		explainField(w, a.names[i], v, c.Kind, &a.fields.Fault)
	}
	a.more, a.err = a.parser.Next(&a.fields)
}
