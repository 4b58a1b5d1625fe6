package expr

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// Elements compiles a table of FROM, and adds its columns to Columns. The result makes a row for each element, or for the
// row that is joined, and does with it what next does.
func (c *Compiler) Elements(t *ast.Elements) (maker func(next fold.Rows) fold.Rows) {
	c.checkNames(t)
	if t.Joined != nil {
		return c.join(t)
	}
	data := c.Compile(t.Data)
	if t.Function == "split" {
		return c.split(t, data)
	}
	text := c.jsonText(t, data)
	columns := make([]elementReader, len(t.Columns))
	for i := range t.Columns {
		columns[i] = c.elementReader(t, &t.Columns[i])
	}
	slot, first := c.Sizes.Elements, c.newColumns(t, columns)
	c.Sizes.Elements++
	path, name := t.Path, t.Text
	return func(next fold.Rows) fold.Rows {
		return func(r *fold.Env, row func()) {
			v, found := text(r), &r.Elements[slot]
			n := 0
			if v.Set {
				if err := found.Read(v.Bytes, path); err != nil {
					notJSON(r, name, err)
					return
				}
				n = found.Len()
			}
			for i := 0; i < n && r.Reason == ""; i++ {
				for j := range columns {
					r.Row[first+j] = columns[j](r, found, i)
				}
				next(r, row)
			}
			if n == 0 && t.Left {
				clear(r.Row[first : first+len(columns)])
				next(r, row)
			}
		}
	}
}

// failTable records an error of a table of elements unless there is an earlier one.
func (c *Compiler) failTable(t *ast.Elements, format string, args ...any) {
	if c.Err == nil {
		c.Err = t.Errorf(format, args...)
	}
}

// notJSON makes the record a dead letter whose data is not JSON.
func notJSON(r *fold.Env, name string, err error) {
	if limited, ok := errors.AsType[*format.Error](err); ok {
		r.Fail("%s: %s", name, limited.Reason)
		return
	}
	if r.Explain {
		r.Fail("%s: the text is not JSON: %v", name, err)
		return
	}
	r.Fail("%s: the text is not JSON", name)
}

// newColumns adds the columns of a table, and returns the place of the first in Env.Row.
func (c *Compiler) newColumns(t *ast.Elements, readers []elementReader) (first int) {
	first = c.Row
	for i := range t.Columns {
		d, slot := &t.Columns[i], c.Row
		x := Compiled{Type: elementTypes[d.Type].of(d), Eval: func(r *fold.Env) value.Value { return r.Row[slot] }}
		x.Nullable = x.Nullable && t.Function != "split" || t.Left
		c.Columns = append(c.Columns, x)
		c.Row++
	}
	return first
}

// checkNames rejects names of columns that the record has too. Where every name is a field, a column of elements hides a
// field of its name.
func (c *Compiler) checkNames(t *ast.Elements) {
	if strings.EqualFold(t.Name, c.Statement.From) {
		c.failTable(t, "the name is that of events: give one of them another")
	}
	for i := range t.Columns {
		if d := &t.Columns[i]; slices.Contains(recordColumns, strings.ToLower(d.Name)) {
			c.failTable(t, "column %s has the name of a column of the record: give it another", d.Name)
		}
	}
}

// elementColumn compiles a column of elements.
func (c *Compiler) elementColumn(e *ast.Expr) Compiled {
	name := e.Path[len(e.Path)-1]
	_, ok := c.Format.Column([]string{name})
	if (ok || c.rejected([]string{name}) != "") && e.Element.Bare && !c.everyNameIsAField() {
		return c.Fail(e, "both events and %s have such a column: write %s.%s or %s.%s", e.Path[0], c.Statement.From, name, e.Path[0], name)
	}
	c.UsesElements = true
	x := c.Columns[e.Element.Number]
	x.Source = e
	return x
}

// jsonText compiles data to JSON. A field of a JSON record is its own JSON, in which a string has quotes. Everything else
// is a text that holds JSON, and so is a field that ->> reads.
func (c *Compiler) jsonText(t *ast.Elements, data Compiled) func(*fold.Env) value.Value {
	eval := data.Eval
	if e := data.Source; data.Kind != value.KindJSON || e != nil && e.Op == ast.OpColumn && e.JSONPath && !e.Quoted {
		if data.Kind != value.KindJSON && data.Kind != value.KindText && data.Kind != value.KindNull {
			c.Fail(t.Data, "is %s, but JSON is expected", data.Kind)
		}
		return c.Text(data).Eval
	}
	return func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set || v.Tag != value.TagText {
			return v
		}
		from := len(r.Text)
		r.Text = format.AppendJSONText(r.Text, v.Bytes)
		return value.Text(r.Text[from:len(r.Text):len(r.Text)])
	}
}

// split compiles SPLIT(text, separator), whose elements are what stands between separators.
func (c *Compiler) split(t *ast.Elements, data Compiled) func(next fold.Rows) fold.Rows {
	text, separator := c.Text(data), c.Compile(t.Separator)
	if c.Err != nil {
		return nil
	}
	if separator.Kind != value.KindText || !separator.Constant || len(separator.Eval(fold.Constant(c.Zone)).Bytes) == 0 {
		c.Fail(t.Separator, "the separator must be a text that is not empty")
		return nil
	}
	between, slot := separator.Eval(fold.Constant(c.Zone)).Bytes, c.newColumns(t, nil)
	return func(next fold.Rows) fold.Rows {
		return func(r *fold.Env, row func()) {
			v := text.Eval(r)
			if !v.Set && !t.Left {
				return
			}
			rest, more := v.Bytes, true
			for more && r.Reason == "" {
				r.Row[slot] = value.Null
				if more = false; v.Set {
					var part []byte
					part, rest, more = bytes.Cut(rest, between)
					r.Row[slot] = value.Text(part)
				}
				next(r, row)
			}
		}
	}
}

// elementReader returns the value of one column for the i-th element.
type elementReader func(r *fold.Env, found *format.Elements, i int) value.Value

func (c *Compiler) elementReader(t *ast.Elements, d *ast.ElementColumn) elementReader {
	name, path := t.Name+"."+d.Name, d.Path
	to, ok := elementTypes[d.Type]
	switch {
	case !ok:
		c.failTable(t, "column %s: the type %s is not supported: expected VARCHAR(n), TEXT, an integer type, DECIMAL(p,s), DOUBLE, DATETIME(n) or JSON", d.Name, strings.ToUpper(d.Type))
		return nil
	case d.Ordinality:
		return func(_ *fold.Env, _ *format.Elements, i int) value.Value { return value.Int(int64(i) + 1) }
	case !to.fits(d):
		c.failTable(t, "column %s: expected %s", d.Name, to.expected)
		return nil
	case d.Exists && to.kind != value.KindInt:
		c.failTable(t, "column %s: EXISTS is an integer: write INT EXISTS PATH", d.Name)
		return nil
	case d.Exists:
		return func(r *fold.Env, found *format.Elements, i int) value.Value {
			_, ok := found.At(i, path, &r.Fields)
			return value.Bool(ok)
		}
	}
	convert := to.converter(d)
	return func(r *fold.Env, found *format.Elements, i int) value.Value {
		v, ok := found.At(i, path, &r.Fields)
		switch {
		case !ok && d.ErrorOnEmpty:
			return r.Fail("%s: the element has no value at the path", name)
		case !v.Set:
			return value.Null
		}
		out, ok := convert(r, v)
		if !ok && d.ErrorOnError {
			return r.Fail("%s: %s is no %s", name, value.Show(v, value.KindJSON), strings.ToUpper(d.Type))
		}
		if !ok {
			return value.Null
		}
		return out
	}
}
