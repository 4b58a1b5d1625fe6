package query

import (
	"fmt"
	"slices"
	"strconv"
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

// output is one column of the rows that a statement writes.
type output struct {
	name string
	key  bool
	// aggregate is the function that computes a column that is not part of the key.
	aggregate aggregate.Func
	x         expr.Compiled // the key's value or the aggregate's argument; unset for COUNT(*)
	kind      row.Kind      // of the column that the query would create
	source    *ast.Expr     // the aggregate in the query's text; nil for a key, and for a row per record
	hidden    bool          // only computed columns read it, or it is a state
	keepScale bool          // row.Column.KeepScale
	// merge is that of the columns of a sketch, and of those that an order chooses; nil for others, whose merge is that of
	// the aggregate. state is the sketch that a derived column shows, and order the order that chooses a column's value.
	merge row.Merge
	state *output
	order *output
	of    []*ast.Expr // of a sketch: the arguments of its aggregate; of an order: the ordering value, none for Kafka's timestamp
}

// mergeKind returns how values of the column are merged.
func (o *output) mergeKind() row.Merge {
	if o.key {
		return row.Key
	}
	if o.merge != nil {
		return o.merge
	}
	return o.aggregate.Merge()
}

// columnOf returns the column as package fold computes it.
func (o *output) columnOf() fold.Column {
	return fold.Column{Name: o.name, Aggregate: o.aggregate, Kind: o.x.Kind, Eval: o.x.Eval}
}

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

// groupedOutputs compiles SELECT … GROUP BY.
func (c *builder) groupedOutputs(p *program, names []string, aggregated bool) error {
	st := c.Statement
	if !aggregated && keptBy(st) == nil && !hasStep(st) {
		for _, it := range st.Items {
			c.Compile(it.Expr) // for AVG, its error is better than the one below
		}
		if c.Err != nil {
			return c.Err
		}
		return fmt.Errorf("GROUP BY without an aggregate: add COUNT(*) AS n to SELECT")
	}
	if len(st.Group) == 0 {
		p.keys = append(p.keys, c.oneRow(names))
	}
	keyOf := make([]bool, len(st.Items))
	keys, err := c.keyItems(st)
	if err != nil {
		return err
	}
	for _, i := range keys {
		keyOf[i] = true
		p.keys = append(p.keys, c.key(names[i], names, st.Items[i].Expr))
	}
	for i, it := range st.Items {
		switch {
		case keyOf[i]:
		case it.IsAggregate():
			c.addCell(p, names, c.aggregate(names[i], it.Expr))
		case keptBy(st) != nil && !it.HasAggregate():
			p.cells = append(p.cells, c.value(names[i], it.Expr, keptBy(st).value))
		case it.HasAggregate(): // below, because it uses the cells of all other items
		default:
			if c.Compile(it.Expr); c.Err != nil {
				return c.Err // for AVG, its error is better than the one below
			}
			return it.Errorf("it is neither in GROUP BY nor an aggregate, so a group has no single value for it: add it to GROUP BY, write MIN(%s) or MAX(%s), or write REPLACE INTO, which keeps that of the last record", it.Text, it.Text)
		}
	}
	if keptBy(st) != nil {
		c.state(p, names)
	}
	for i, it := range st.Items {
		if !keyOf[i] && it.HasAggregate() && !it.IsAggregate() {
			c.computed(p, names, keyOf, i)
		}
	}
	return nil
}

// keyItems returns the indexes of the SELECT items in GROUP BY, in its order.
func (c *builder) keyItems(st *ast.Statement) (keys []int, err error) {
	for _, g := range st.Group {
		i, err := c.groupItem(st, g)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys, i) {
			return nil, g.Place(fmt.Errorf("GROUP BY %s: the column is listed twice", g.Text))
		}
		keys = append(keys, i)
	}
	return keys, nil
}

// groupItem returns the index of the SELECT item to which a GROUP BY expression refers: by position, by alias or by
// text, in this order.
func (c *builder) groupItem(st *ast.Statement, g *ast.Expr) (int, error) {
	found := -1
	if g.Op == ast.OpInt {
		n, err := strconv.Atoi(g.Name)
		if err != nil || n < 1 || n > len(st.Items) {
			return 0, g.Place(fmt.Errorf("GROUP BY %s: SELECT has %d items", g.Text, len(st.Items)))
		}
		found = n - 1
	}
	if found < 0 && g.Op == ast.OpColumn && len(g.Path) == 1 {
		found = slices.IndexFunc(st.Items, func(it ast.Item) bool { return strings.EqualFold(it.Alias, g.Path[0]) })
	}
	if found < 0 {
		found = slices.IndexFunc(st.Items, func(it ast.Item) bool {
			if it.Op == ast.OpColumn && g.Op == ast.OpColumn {
				return slices.EqualFunc(st.Unqualified(it.Path), st.Unqualified(g.Path), strings.EqualFold)
			}
			return it.Expr.Equal(c.expand(g))
		})
	}
	if found < 0 {
		return 0, g.Place(fmt.Errorf("GROUP BY %s: it is not in SELECT, so the table could not distinguish its groups: add it to SELECT", g.Text))
	}
	if st.Items[found].HasAggregate() {
		return 0, g.Place(fmt.Errorf("GROUP BY %s: it is the aggregate %s; give the aggregate another alias if the field is meant", g.Text, st.Items[found].Text))
	}
	return found, nil
}

// key compiles a column of the group's key. names are the columns of all items.
func (c *builder) key(name string, names []string, e *ast.Expr) output {
	c.NotNull, c.WindowTime = c.excludesNull(), c.windowTimes()
	x := c.keyValue(e)
	c.NotNull, c.WindowTime = nil, nil
	x.Source = e
	if x.Kind == value.KindJSON {
		x = c.Text(x)
	}
	switch {
	case x.Kind == value.KindNull:
		c.Fail(e, "is always NULL, so it distinguishes no groups: leave it out")
	case x.Kind == value.KindDouble:
		c.Fail(e, "is a DOUBLE, which has no exact key: write CAST(%s AS DECIMAL(p,s))", e.Text)
	case x.Kind == value.KindDecimal && x.Scale == value.AnyScale:
		c.Fail(e, "is a number of any scale, but a key column has one scale: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", e.Text, e.Text)
	}
	if x.Nullable {
		c.checkNullKey(name, names, e)
	}
	return output{name: name, key: true, x: x, kind: x.Column()}
}

// aggregate compiles a call of an aggregate.
func (c *builder) aggregate(name string, e *ast.Expr) output {
	o := output{name: name, kind: row.Int, source: e}
	bad := func(format string, args ...any) output {
		c.Fail(e, format, args...)
		return o
	}
	switch {
	case isSketch(e):
		return c.sketch(name, e)
	case isChosen(e):
		return c.chosen(name, e)
	}
	if e.Distinct && e.Name != "min" && e.Name != "max" && e.Name != "any_value" {
		return bad("only COUNT, MIN, MAX and ANY_VALUE have DISTINCT: group by the value too, and add when you select")
	}
	if e.Star {
		if e.Name != "count" {
			return bad("expected COUNT(*), or %s of an expression", strings.ToUpper(e.Name))
		}
		o.aggregate = aggregate.Count
		return o
	}
	if len(e.Args) != 1 {
		return bad("%s takes one argument", strings.ToUpper(e.Name))
	}
	if e.Args[0].HasAggregate() {
		return bad("an aggregate cannot contain another: an expression of aggregates is outside of them, such as SUM(x) / COUNT(*)")
	}
	o.x = c.Compile(e.Args[0])
	o.x.Source = e.Args[0]
	arg := e.Args[0].Text
	switch e.Name {
	case "count":
		o.aggregate = aggregate.CountValues
		if !o.x.Nullable {
			o.aggregate = aggregate.Count
		}
	case "sum":
		o.aggregate = aggregate.Sum
		if o.x.Kind == value.KindDouble {
			return bad("a sum of DOUBLEs depends on their order, which is not defined: write SUM(CAST(%s AS DECIMAL(p,s)))", arg)
		}
		o.x = c.Number(o.x)
		o.kind = row.Decimal
	case "bit_and", "bit_or", "bit_xor":
		o.aggregate = map[string]aggregate.Func{"bit_and": aggregate.BitAnd, "bit_or": aggregate.BitOr, "bit_xor": aggregate.BitXor}[e.Name]
		o.x = c.bits(e, o.x)
	case "any_value":
		// Any value is right, and the smallest does not depend on the order of records.
		o = c.value(name, e.Args[0], aggregate.Min)
		o.source = e
	default:
		o.aggregate = aggregate.Min
		if e.Name == "max" {
			o.aggregate = aggregate.Max
		}
		switch {
		case o.x.Kind != value.KindJSON:
		case c.isSummed(e.Args[0]): // each record's value is a number, or its SUM makes it a dead letter
			o.x = c.Number(o.x)
		case !e.Args[0].Quoted:
			o.x = c.OnlyText(o.x, strings.ToUpper(e.Name))
		default:
			return bad("%s is a JSON field, and text and numbers compare differently: write %s(CAST(%s AS CHAR)) or %s(CAST(%s AS DECIMAL(p,s)))", arg, strings.ToUpper(e.Name), arg, strings.ToUpper(e.Name), arg)
		}
		o.kind = o.x.Column()
	}
	if o.x.Kind == value.KindNull {
		always := "NULL"
		if e.Name == "count" {
			always = "0"
		}
		return bad("%s of NULL is always %s", strings.ToUpper(e.Name), always)
	}
	return o
}

// isSummed reports whether SELECT contains the SUM, or the AVG, of an expression.
func (c *builder) isSummed(e *ast.Expr) bool {
	var in func(x *ast.Expr) bool
	in = func(x *ast.Expr) bool {
		return x != nil && (x.IsAggregate() && x.Name == "sum" && len(x.Args) == 1 && c.sameValue(x.Args[0], e) || slices.ContainsFunc(x.Args, in))
	}
	return slices.ContainsFunc(c.Statement.Items, func(it ast.Item) bool { return in(it.Expr) })
}

// bits compiles the argument of BIT_AND, BIT_OR and BIT_XOR: the 64 bits of an integer.
func (c *builder) bits(e *ast.Expr, x expr.Compiled) expr.Compiled {
	source := x.Source
	x = c.Number(x)
	if x.Kind != value.KindInt && x.Kind != value.KindNull {
		c.Fail(e, "%s is %s, but bits are those of an integer: write %s(CAST(%s AS SIGNED))", source.Text, x.Kind, strings.ToUpper(e.Name), source.Text)
		return x
	}
	eval := x.Eval
	x.Source = source
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		bits, ok := v.Number.Bits()
		if !ok {
			return r.Fail("%s: %s has more than 64 bits", e.Text, value.Show(v, value.KindInt))
		}
		v.Number = bits
		return v
	}
	return x
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
