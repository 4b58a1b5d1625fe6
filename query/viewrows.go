package query

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// The server evaluates a view. A dry run has no server, so it evaluates the view here, by the expressions from which its
// SQL is written (view.go), over the rows of the table of groups.

// viewRows evaluates views of a table of groups.
type viewRows struct {
	*computation
	env   *fold.Env
	start int // the place of the start of a row's session among its values; -1 if there are no sessions
	// aggregates are those of the outer SELECT. The value of each is behind those of the columns in Env.Values.
	aggregates []viewAggregate
	computed   []func(values []value.Value) (value.Value, bool)
}

// viewAggregate is an aggregate of the rows of a group of the view.
type viewAggregate struct {
	name     string // in lower case, as in SQL
	distinct bool
	x        func(*fold.Env) value.Value // the argument; nil for COUNT(*)
	kind     row.Kind                    // of the argument
	// order, if not nil, chooses the row that has the value: that with the lowest order, or the highest.
	order   func(*fold.Env) value.Value
	highest bool
}

// tagTooLarge marks a sum that has more digits than a value can have here.
const tagTooLarge value.Tag = 255

// viewItem is a column of the view.
type viewItem struct {
	shown row.Column
	key   bool
	eval  func(r *fold.Env) value.Value
}

// shownView returns the rows of the view of a statement as the server shows them, for the rows of the table. Their order
// is that of the first row of the table in each.
func (p *program) shownView(t *row.Table, rows [][]value.Value) Shown {
	v := &viewRows{computation: newComputation(t), env: fold.Constant(time.UTC), start: -1}
	v.step, v.rows = p.step, v
	for i := range p.computed {
		_, eval := p.computed[i].evaluator(t)
		v.computed = append(v.computed, eval)
	}
	for i := range rows {
		rows[i] = v.extended(rows[i])
	}
	if s := p.step.session; s != nil {
		v.start = len(t.Columns) + len(t.Computed)
		rows = s.begun(t, rows)
	}
	items := v.items(p)
	where, having := v.conditions(p.step.where, true), v.conditions([]*ast.Expr{p.step.having}, false)
	out := Shown{Name: p.st.Table}
	if t.Schema != "" {
		out.Name = t.Schema + "." + p.st.Table
	}
	for i := range items {
		out.Columns = append(out.Columns, gridColumn(&items[i].shown))
	}
	rows = slices.DeleteFunc(rows, func(r []value.Value) bool { return !v.holds(r, where) })
	if p.step.grouped {
		rows = v.grouped(rows, items)
	}
	for _, r := range rows {
		if !v.holds(r, having) {
			continue
		}
		var line []string
		for i := range items {
			line = append(line, v.text(r, &items[i]))
		}
		out.Rows = append(out.Rows, line)
	}
	return out
}

// extended appends the values of the computed columns to those of a row of the table.
func (v *viewRows) extended(values []value.Value) []value.Value {
	n := len(values)
	for _, eval := range v.computed {
		x, ok := eval(values[:n:n])
		if !ok {
			x = value.Null // the server would fail: the row would not have been written
		}
		values = append(values, x)
	}
	return values
}

// begun appends to each part the start of its session, as the SQL of sessionview.go does.
func (s *session) begun(t *row.Table, parts [][]value.Value) [][]value.Value {
	place := func(name string) int {
		return slices.IndexFunc(t.Columns, func(c row.Column) bool { return c.Name == name })
	}
	part, first, last := place(s.part), place(s.first), place(s.last)
	key := func(r []value.Value) []byte {
		var k []byte
		for i := range t.Columns[:t.Keys] {
			if i != part {
				k = appendGroup(k, &r[i])
			}
		}
		return k
	}
	order := slices.Clone(parts)
	slices.SortStableFunc(order, func(a, b []value.Value) int {
		return cmp.Or(bytes.Compare(key(a), key(b)), compareTimes(a[first], b[first]))
	})
	starts := map[*value.Value]value.Value{} // by the first value of the part
	var before, start value.Value
	for i, r := range order {
		if i == 0 || !bytes.Equal(key(order[i-1]), key(r)) {
			before, start = value.Null, value.Null
		}
		if r[first].Set && (!before.Set || r[first].Micros() >= before.Micros()+s.gap*value.Second) {
			start = r[first]
		}
		starts[&r[0]], before = start, r[last]
	}
	for i, r := range parts {
		parts[i] = append(r, starts[&r[0]])
	}
	return parts
}

// compareTimes orders times, NULL first.
func compareTimes(a, b value.Value) int {
	switch {
	case a.Set && b.Set:
		return cmp.Compare(a.Micros(), b.Micros())
	case a.Set:
		return 1
	case b.Set:
		return -1
	}
	return 0
}

// items returns the columns of the view.
func (v *viewRows) items(p *program) (items []viewItem) {
	for _, it := range p.step.items {
		item := viewItem{key: it.key}
		switch s := p.step.session; {
		case s != nil && it.sql == quoted(startColumn):
			item.shown = *v.table.Column(s.first)
			item.shown.Nullable = true
			item.eval = func(r *fold.Env) value.Value { return r.Values[v.start] }
		case it.x == nil && it.key:
			item = v.ofColumn(it.name)
			item.key = true
		case it.x == nil: // an aggregate of parts
			o := p.cell(it.name)
			if o.order != nil {
				item = v.ofColumn(o.name)
				item.eval = v.add(viewAggregate{name: it.name, x: item.eval, order: v.ofColumn(o.order.name).eval, highest: choosers[o.source.Name]})
				break
			}
			item.shown, item.eval = v.ofAggregate(&ast.Expr{Op: ast.OpCall, Name: mergeNames[o.mergeKind()], Args: []*ast.Expr{columnFor(o.name, o.source)}})
		case it.x.Op == ast.OpColumn:
			item = v.ofColumn(it.x.Path[0])
			item.key = it.key
		case v.isPlain(it.x):
			item.shown, item.eval = v.ofAggregate(it.x)
		default:
			x := v.Number(v.Compile(it.x))
			scale := scaleOf(x)
			item.shown = row.Column{Kind: row.Decimal, Scale: scale}
			item.eval = rounding(x, it.x, scale).Eval
		}
		item.shown.Name = it.name
		items = append(items, item)
	}
	return items
}

// ofColumn returns an item that is a column of the table.
func (v *viewRows) ofColumn(name string) viewItem {
	for i := range v.table.Columns {
		if c := v.table.Columns[i]; strings.EqualFold(c.Name, name) {
			return viewItem{shown: c, eval: func(r *fold.Env) value.Value { return r.Values[i] }}
		}
	}
	for i := range v.table.Computed {
		if c := &v.table.Computed[i]; strings.EqualFold(c.Name, name) {
			at := len(v.table.Columns) + i
			return viewItem{shown: row.Column{Kind: row.Decimal, Scale: c.Scale}, eval: func(r *fold.Env) value.Value { return r.Values[at] }}
		}
	}
	panic("BUG: no column " + name)
}

// ofAggregate returns an item that is an aggregate of all rows, or of a column.
func (v *viewRows) ofAggregate(e *ast.Expr) (row.Column, func(*fold.Env) value.Value) {
	a := viewAggregate{name: e.Name, distinct: e.Distinct}
	shown := row.Column{Kind: row.Int}
	if !e.Star {
		of := v.ofColumn(e.Args[0].Path[0])
		a.x, a.kind = of.eval, of.shown.Kind
		if e.Name != "count" {
			shown = of.shown
		}
	}
	return shown, v.add(a)
}

// add adds an aggregate, and returns what reads its value.
func (v *viewRows) add(a viewAggregate) func(*fold.Env) value.Value {
	k := len(v.aggregates)
	v.aggregates = append(v.aggregates, a)
	return func(r *fold.Env) value.Value {
		x := r.Values[len(r.Values)-len(v.aggregates)+k]
		if x.Tag == tagTooLarge {
			return r.Fail("a sum has more than %d digits", row.MaxDigits)
		}
		return x
	}
}

// conditions compiles conditions. outside says that they are of the rows of the table.
func (v *viewRows) conditions(list []*ast.Expr, outside bool) (tests []func(*fold.Env) value.Truth) {
	v.outside = outside
	for _, e := range list {
		if e != nil {
			tests = append(tests, v.Truth(v.Compile(e)))
		}
	}
	v.outside = false
	return tests
}

// holds reports whether all conditions are true for a row.
func (v *viewRows) holds(values []value.Value, tests []func(*fold.Env) value.Truth) bool {
	v.env.Values = values
	for _, test := range tests {
		if test(v.env) != value.Yes {
			return false
		}
	}
	return true
}

// text returns the value of an item of a row as the server shows it.
func (v *viewRows) text(values []value.Value, item *viewItem) string {
	v.env.Values, v.env.Reason = values, ""
	x := item.eval(v.env)
	if v.env.Reason != "" {
		return tooLargeToShow
	}
	if x.Set && item.shown.Kind == row.Decimal && int(x.Scale) != item.shown.Scale {
		n, ok := x.Number.Rescale(int(x.Scale), item.shown.Scale)
		if !ok {
			return tooLargeToShow
		}
		x.Number = n
	}
	return cellText(x, &item.shown)
}

// grouped returns a row for each group of the view: the values of its first row, and those of its aggregates. Without a
// key, all rows are one group, also if there is none.
func (v *viewRows) grouped(rows [][]value.Value, items []viewItem) (groups [][]value.Value) {
	byKey := map[string]int{}
	var members [][][]value.Value
	keyed := slices.ContainsFunc(items, func(it viewItem) bool { return it.key })
	if !keyed {
		members = [][][]value.Value{rows}
	}
	for _, r := range rows {
		if !keyed {
			break
		}
		v.env.Values = r
		var key []byte
		for i := range items {
			if items[i].key {
				x := items[i].eval(v.env)
				key = appendGroup(key, &x)
			}
		}
		at, ok := byKey[string(key)]
		if !ok {
			at = len(members)
			byKey[string(key)] = at
			members = append(members, nil)
		}
		members[at] = append(members[at], r)
	}
	for _, of := range members {
		values := make([]value.Value, v.width())
		if len(of) > 0 {
			copy(values, of[0])
		}
		for i := range v.aggregates {
			values = append(values, v.aggregates[i].of(v.env, of))
		}
		groups = append(groups, values)
	}
	return groups
}

// width returns how many values a row has without aggregates.
func (v *viewRows) width() int {
	n := len(v.table.Columns) + len(v.table.Computed)
	if v.start >= 0 {
		n++
	}
	return n
}

// appendGroup appends a value to what tells groups apart.
func appendGroup(dst []byte, v *value.Value) []byte {
	if !v.Set {
		return append(dst, 0)
	}
	dst = row.AppendKeyNumber(append(dst, 1), v.Number)
	return row.AppendKeyBytes(dst, v.Bytes)
}

// of returns the aggregate of rows.
func (a *viewAggregate) of(env *fold.Env, rows [][]value.Value) value.Value {
	if a.order != nil {
		return a.chosen(env, rows)
	}
	count, out := int64(0), value.Null
	if bits := a.name == "bit_and"; bits || a.name == "bit_or" || a.name == "bit_xor" {
		out = value.Int(0)
		if bits {
			out.Number = row.Number{Lo: ^uint64(0)}
		}
	}
	seen := map[string]bool{}
	for _, r := range rows {
		x := value.Int(1)
		if a.x != nil {
			env.Values = r
			x = a.x(env)
		}
		if !x.Set {
			continue
		}
		if a.distinct {
			key := string(appendGroup(nil, &x))
			if seen[key] {
				continue
			}
			seen[key] = true
		}
		count++
		if out = a.merged(out, x); out.Tag == tagTooLarge {
			return out
		}
	}
	if a.name == "count" {
		return value.Int(count)
	}
	return out
}

// chosen returns the value of the row that the order chooses.
func (a *viewAggregate) chosen(env *fold.Env, rows [][]value.Value) value.Value {
	best, out := value.Null, value.Null
	for _, r := range rows {
		env.Values = r
		order := a.order(env)
		if order.Set && (!best.Set || (bytes.Compare(order.Bytes, best.Bytes) > 0) == a.highest) {
			best, out = order, a.x(env)
		}
	}
	return out
}

// merged adds a value, which is not NULL, to the aggregate of others.
func (a *viewAggregate) merged(out, x value.Value) value.Value {
	switch a.name {
	case "sum":
		if !out.Set {
			return x
		}
		sum, ok := value.Add(out, x)
		if !ok {
			return value.Value{Tag: tagTooLarge}
		}
		return sum
	case "bit_and":
		out.Number.Lo &= x.Number.Lo
	case "bit_or":
		out.Number.Lo |= x.Number.Lo
	case "bit_xor":
		out.Number.Lo ^= x.Number.Lo
	case "min", "max":
		if !out.Set || (a.compare(x, out) < 0) == (a.name == "min") {
			return x
		}
	}
	return out
}

// compare orders two values of the argument.
func (a *viewAggregate) compare(x, y value.Value) int {
	switch a.kind {
	case row.Int, row.Decimal:
		return value.CompareDecimals(x, y)
	case row.Datetime:
		return compareTimes(x, y)
	}
	return bytes.Compare(x.Bytes, y.Bytes)
}
