package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// action is how a value joins its cell.
type action uint8

const (
	actKey      action = iota
	actCount           // COUNT(*)
	actCountSet        // COUNT(x)
	actSum
	actMin
	actMax
	actPlain
)

// merges says what a column's merge is.
func (a action) merge() row.Merge {
	return [...]row.Merge{row.Key, row.Add, row.Add, row.Add, row.Min, row.Max, row.Plain}[a]
}

// output is one column of a statement's rows.
type output struct {
	name string
	act  action
	x    compiled // what is counted, added or kept; unset for COUNT(*)
	kind row.Kind // of the column that it wants
}

// program is one compiled statement.
type program struct {
	number  int // from 0
	st      *statement
	grouped bool
	where   func(*rec) value.Truth // nil takes every record
	keys    []output
	cells   []output
}

// compile checks a statement's shape and compiles its expressions.
func (c *compiler) statement(number int) (*program, error) {
	st := c.st
	names, err := st.columnNames()
	if err != nil {
		return nil, err
	}
	p := &program{number: number, st: st}
	if st.where != nil {
		c.inWhere = true
		p.where = c.truth(c.expr(st.where))
		c.inWhere = false
	}
	grouped := slices.ContainsFunc(st.items, func(it item) bool { return it.holdsAggregate() })
	p.grouped = grouped || len(st.group) > 0
	if p.grouped {
		err = c.groupedOutputs(p, names, grouped)
	} else {
		c.plainOutputs(p, names)
	}
	if c.err != nil {
		return nil, c.err
	}
	return p, err
}

// columnNames finds the target column of each SELECT item.
func (st *statement) columnNames() ([]string, error) {
	if st.columns != nil && len(st.columns) != len(st.items) {
		return nil, fmt.Errorf("INSERT INTO %s lists %d columns, SELECT has %d", st.table, len(st.columns), len(st.items))
	}
	var names []string
	for i, it := range st.items {
		name := it.alias
		switch {
		case st.columns != nil:
			name = st.columns[i]
		case name == "" && it.op == opColumn:
			name = it.columnName()
		case name == "":
			return nil, fmt.Errorf("%s: which column of %s is it for? Columns are matched by name: write %s AS name", it.text, st.table, it.text)
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, fmt.Errorf("column %s is written twice", name)
		}
		if name == "" || len(name) > 64 {
			return nil, fmt.Errorf("column name %q: want 1 to 64 bytes", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// groupedOutputs compiles SELECT … GROUP BY.
func (c *compiler) groupedOutputs(p *program, names []string, aggregated bool) error {
	st := c.st
	if !aggregated {
		for _, it := range st.items {
			c.expr(it.expr) // an AVG has a better reason than this
		}
		if c.err != nil {
			return c.err
		}
		return fmt.Errorf("GROUP BY without an aggregate: add COUNT(*) AS n to SELECT")
	}
	if len(st.group) == 0 {
		return fmt.Errorf("aggregates without GROUP BY give one row without a key, which cannot be added to: write SELECT 'all' AS k, … GROUP BY k")
	}
	keyOf := make([]bool, len(st.items))
	for _, g := range st.group {
		i, err := st.groupItem(g)
		if err != nil {
			return err
		}
		if keyOf[i] {
			return fmt.Errorf("GROUP BY %s: the column is there twice", g.text)
		}
		keyOf[i] = true
		p.keys = append(p.keys, c.key(names[i], st.items[i].expr))
	}
	for i, it := range st.items {
		switch {
		case keyOf[i]:
		case it.aggregate():
			p.cells = append(p.cells, c.aggregate(names[i], it.expr))
		case it.holdsAggregate():
			c.expr(it.expr) // fails, and says why
		default:
			if c.expr(it.expr); c.err != nil {
				return c.err // an AVG has a better reason than this
			}
			return fmt.Errorf("%s: it is neither in GROUP BY nor an aggregate, so that a group has no one value for it: add it to GROUP BY, or write MIN(%s) or MAX(%s)", it.text, it.text, it.text)
		}
	}
	return nil
}

// groupItem finds what a GROUP BY expression stands for: a position, an alias, a selected expression, in this order.
func (st *statement) groupItem(g *expr) (int, error) {
	found := -1
	if g.op == opInt {
		n, err := strconv.Atoi(g.name)
		if err != nil || n < 1 || n > len(st.items) {
			return 0, fmt.Errorf("GROUP BY %s: SELECT has %d items", g.text, len(st.items))
		}
		found = n - 1
	}
	if found < 0 && g.op == opColumn && len(g.path) == 1 {
		found = slices.IndexFunc(st.items, func(it item) bool { return strings.EqualFold(it.alias, g.path[0]) })
	}
	if found < 0 {
		found = slices.IndexFunc(st.items, func(it item) bool {
			if it.op == opColumn && g.op == opColumn {
				return slices.EqualFunc(st.unqualified(it.path), st.unqualified(g.path), strings.EqualFold)
			}
			return it.text == g.text
		})
	}
	if found < 0 {
		return 0, fmt.Errorf("GROUP BY %s: it is not in SELECT, so that the table would not tell its groups apart: add it to SELECT", g.text)
	}
	if st.items[found].holdsAggregate() {
		return 0, fmt.Errorf("GROUP BY %s: it is the aggregate %s; give the aggregate another alias if the field is meant", g.text, st.items[found].text)
	}
	return found, nil
}

// unqualified is a column's path without the name of events.
func (st *statement) unqualified(path []string) []string {
	if len(path) > 1 && strings.EqualFold(path[0], st.from) {
		return path[1:]
	}
	return path
}

// key compiles a column of the group's key.
func (c *compiler) key(name string, e *expr) output {
	x := c.expr(e)
	x.src = e
	if x.Kind == value.KindJSON {
		x = c.text(x)
	}
	switch {
	case x.Nullable:
		instead := map[value.Kind]string{value.KindText: "''", value.KindTime: "'1970-01-01'", value.KindNull: "''"}[x.Kind]
		if instead == "" {
			instead = "0"
		}
		c.fail(e, "can be NULL, and a group's key cannot, for MySQL holds no two NULLs equal in a unique key: write COALESCE(%s, %s)", e.text, instead)
	case x.Kind == value.KindDouble:
		c.fail(e, "is a DOUBLE, which has no exact key: write CAST(%s AS DECIMAL(p,s))", e.text)
	case x.Kind == value.KindDecimal && x.Scale == value.AnyScale:
		c.fail(e, "is a number of any scale, and a key has one: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", e.text, e.text)
	}
	return output{name: name, act: actKey, x: x, kind: x.column()}
}

// aggregate compiles COUNT, SUM, MIN or MAX.
func (c *compiler) aggregate(name string, e *expr) output {
	o := output{name: name, kind: row.Int}
	bad := func(format string, args ...any) output {
		c.fail(e, format, args...)
		return o
	}
	if e.distinct && e.name != "min" && e.name != "max" {
		return bad("DISTINCT cannot be kept by adding to a row: group by the value too, and count the rows when you select")
	}
	if e.star {
		if e.name != "count" {
			return bad("want COUNT(*), or %s of an expression", strings.ToUpper(e.name))
		}
		o.act = actCount
		return o
	}
	if len(e.args) != 1 {
		return bad("%s takes one argument", strings.ToUpper(e.name))
	}
	if e.args[0].holdsAggregate() {
		return bad("an aggregate cannot stand within another")
	}
	o.x = c.expr(e.args[0])
	o.x.src = e.args[0]
	arg := e.args[0].text
	switch e.name {
	case "count":
		o.act = actCountSet
		if !o.x.Nullable {
			o.act = actCount
		}
	case "sum":
		o.act = actSum
		if o.x.Kind == value.KindDouble {
			return bad("a sum of DOUBLEs depends on their order, and batches have none: write SUM(CAST(%s AS DECIMAL(p,s)))", arg)
		}
		o.x = c.number(o.x)
		o.kind = row.Decimal
	default:
		o.act = actMin
		if e.name == "max" {
			o.act = actMax
		}
		if o.x.Kind == value.KindJSON {
			return bad("%s is a JSON field, and text and numbers compare differently: write %s(CAST(%s AS CHAR)) or %s(CAST(%s AS DECIMAL(p,s)))", arg, strings.ToUpper(e.name), arg, strings.ToUpper(e.name), arg)
		}
		o.kind = o.x.column()
	}
	if o.x.Kind == value.KindNull {
		always := "NULL"
		if e.name == "count" {
			always = "0"
		}
		return bad("%s of NULL is always %s", strings.ToUpper(e.name), always)
	}
	return o
}

// plainOutputs compiles a SELECT without aggregates: a row for each record, with the record's place as its key.
func (c *compiler) plainOutputs(p *program, names []string) {
	places := []string{"_topic", "_partition", "_offset", "_index"}
	for _, place := range places {
		x, _ := virtual(place, true)
		x.src = &expr{op: opColumn, path: []string{place}, text: place}
		p.keys = append(p.keys, output{name: place, act: actKey, x: x, kind: x.column()})
	}
	for i, it := range c.st.items {
		if i := slices.Index(places, strings.ToLower(names[i])); i >= 0 {
			if it.op != opColumn || !strings.EqualFold(it.path[len(it.path)-1], places[i]) {
				c.fail(it.expr, "column %s is part of the key of a row per record: write it to another column", places[i])
			}
			continue
		}
		x := c.expr(it.expr)
		x.src = it.expr
		if x.Kind == value.KindJSON || x.Kind == value.KindNull {
			null := x.Nullable
			x = c.text(x)
			x.Kind, x.Nullable = value.KindText, null
		}
		p.cells = append(p.cells, output{name: names[i], act: actPlain, x: x, kind: x.column()})
	}
}

// column is the kind of column that an expression wants.
func (x compiled) column() row.Kind {
	switch x.Kind {
	case value.KindInt:
		return row.Int
	case value.KindDecimal:
		return row.Decimal
	case value.KindDouble:
		return row.Double
	case value.KindTime:
		return row.Datetime
	}
	return row.Text
}
