package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/parse"
	"github.com/sluice-etl/sluice/row"
)

// statement returns the program in the form that package fold runs.
func (p *program) statement() fold.Statement {
	target := p.target()
	s := fold.Statement{
		Number: p.number,
		Table:  target.FullName(),
		Where:  p.where,
		Rows:   p.rows,
	}
	for i := range p.keys {
		s.Keys = append(s.Keys, p.keys[i].columnOf())
	}
	for i := range p.cells {
		if p.cells[i].state == nil { // others are computed by the sink
			s.Cells = append(s.Cells, p.cells[i].columnOf())
		}
	}
	return s
}

// program is one compiled statement.
type program struct {
	number  int // from 0
	source  parse.Source
	st      *ast.Statement
	grouped bool
	where   func(*fold.Env) value.Truth // nil takes every record
	rows    fold.Rows                   // nil makes one row
	keys    []output
	cells   []output
	fields  []expr.Compiled // the columns of events that the statement reads
	// computed are the columns that the server computes from keys and cells.
	computed   []computed
	checksTime bool  // a window of the key has the limits of Options
	step       *step // nil if the target is the table that the statement writes
}

// target returns the table that the statement writes, without its columns.
func (p *program) target() row.Table {
	t := row.Table{Schema: p.st.Schema, Name: p.st.Table}
	if p.step != nil {
		t.Name += groupsSuffix
	}
	return t
}

// builder compiles one statement.
type builder struct {
	expr.Compiler
	hops   []hop
	tables []func(fold.Rows) fold.Rows   // make the rows of Statement.Elements
	late   []func(*fold.Env) value.Truth // conditions of WHERE on these rows, all of which must hold
	// maxLateness and maxAhead are those of Options, and checksTime reports whether a window of the key has such limits.
	maxLateness, maxAhead time.Duration
	checksTime            bool
	numbered              bool        // FROM can make several rows, which have numbers
	number                int         // in Env.Row: this number
	statementNumber       int         // from 0
	keepScale             []*ast.Expr // aggregates whose columns must keep all digits of their values
}

// statement checks the shape of a statement and compiles its expressions.
func (c *builder) statement(number int) (*program, error) {
	st := c.Statement
	c.statementNumber = number
	names, err := groupNames(st)
	if err != nil {
		return nil, err
	}
	for i := range st.Items {
		st.Items[i].Expr = c.expand(st.Items[i].Expr)
	}
	if c.Err != nil {
		return nil, c.Err
	}
	p := &program{number: number, st: st}
	grouped := slices.ContainsFunc(st.Items, func(it ast.Item) bool { return it.HasAggregate() })
	p.grouped = grouped || len(st.Group) > 0
	over, err := c.newStep(p, names)
	if err != nil {
		return nil, err
	}
	if over != nil {
		names = over.names
	}
	if c.elements(); c.Err != nil {
		return nil, c.Err
	}
	p.where = c.where()
	if err := checkKept(st); err != nil {
		return nil, err
	}
	if p.grouped {
		err = c.groupedOutputs(p, names, grouped)
	} else {
		c.plainOutputs(p, names)
	}
	if over != nil && err == nil && c.Err == nil {
		err = over.finish(p)
	}
	p.rows, p.checksTime, p.fields = c.rows(), c.checksTime, c.Fields
	if c.Err != nil {
		return nil, c.Err
	}
	return p, err
}

// maxName is how many bytes a column's name can have.
const maxName = 64

// columnNames returns the target column of each SELECT item.
func columnNames(st *ast.Statement) ([]string, error) {
	if st.Columns != nil && len(st.Columns) != len(st.Items) {
		return nil, fmt.Errorf("INSERT INTO %s lists %d columns, SELECT has %d", st.Table, len(st.Columns), len(st.Items))
	}
	var names []string
	for i, it := range st.Items {
		name := it.Alias
		switch {
		case st.Columns != nil:
			name = st.Columns[i]
		case name == "" && it.Op == ast.OpColumn:
			name = it.ColumnName()
		case name == "":
			return nil, it.Errorf("which column of %s is it for? Columns are matched by name: write %s AS name", st.Table, it.Text)
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, fmt.Errorf("column %s is written twice", name)
		}
		if name == "" || len(name) > maxName {
			return nil, fmt.Errorf("column name %q: it must have 1 to %d bytes", name, maxName)
		}
		names = append(names, name)
	}
	return names, nil
}

// plainOutputs compiles a SELECT without aggregates, which writes one row for each record. The key of the row is the
// record's position in Kafka.
func (c *builder) plainOutputs(p *program, names []string) {
	places := []string{"_topic", "_partition", "_offset", "_index"}
	for _, place := range places {
		x, _ := expr.RecordColumn(place, true)
		x.Source = &ast.Expr{Op: ast.OpColumn, Path: []string{place}, Text: place}
		p.keys = append(p.keys, output{name: place, key: true, x: x, kind: x.Column()})
	}
	if c.numbered {
		p.keys = append(p.keys, c.elementKey())
		places = append(places, elementNumber)
	}
	for i, it := range c.Statement.Items {
		if i := slices.Index(places, strings.ToLower(names[i])); i >= 0 {
			if it.Op != ast.OpColumn || !strings.EqualFold(it.Path[len(it.Path)-1], places[i]) || places[i] == elementNumber {
				c.Fail(it.Expr, "column %s is part of the key of a row per record: write it to another column", places[i])
			}
			continue
		}
		p.cells = append(p.cells, c.value(names[i], it.Expr, aggregate.Keep))
	}
}

// value compiles a column that holds the value of one record.
func (c *builder) value(name string, e *ast.Expr, f aggregate.Func) output {
	x := c.Compile(e)
	x.Source = e
	if x.Kind == value.KindJSON || x.Kind == value.KindNull {
		null := x.Nullable
		x = c.Text(x)
		x.Kind, x.Nullable = value.KindText, null
	}
	return output{name: name, aggregate: f, x: x, kind: x.Column()}
}
