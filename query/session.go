package query

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/row"
)

// A session of SESSION(time, INTERVAL gap unit) is a run of events of one key in which each event is less than the gap
// after the one before it. So an event can begin a session, extend one, or join two, and with late events each of these
// can happen to sessions of any age. Stored sessions would have to be moved and deleted, and the events of one key would
// have to be counted by one task.
//
// So sessions are not stored. The table t__groups has a row for each key and *part*: a stretch of time as long as the gap
// (funcs.Session). The events of one part are of one session in any case, so a part is merged like any other group, in
// any order and by any number of tasks. Beside the query's aggregates it has the part's first and last event. The view t
// puts the parts together: a part begins a session if its first event is at least the gap after the last event of the
// part before it. Then it merges the aggregates of the parts of each session (sessionview.go).

// session is the SESSION of a statement.
type session struct {
	item        int    // of SELECT
	gap         int64  // seconds
	part        string // the column of the key that holds the part
	first, last string // the columns of the times of the part's first and last event
	choices     []choice
}

// choice is a column of an order. The part with the lowest or highest of a session has the values of the aggregates that
// the order chooses.
type choice struct {
	order   string
	highest bool
}

// sessionItem returns the index of the SELECT item that is SESSION; -1 if there is none.
func sessionItem(st *ast.Statement) int {
	return slices.IndexFunc(st.Items, func(it ast.Item) bool { return isSession(it.Expr) })
}

func isSession(e *ast.Expr) bool { return e.Op == ast.OpCall && e.Name == funcs.Session().Name }

// newSession begins the session of a statement. names are the columns of the view, and it gives the part a name of its own
// among those of the table. The name has the gap, because parts of another gap would be merged into wrong sessions.
func (b *stepBuilder) newSession(p *program) {
	st := b.Statement
	i := sessionItem(st)
	e := st.Items[i].Expr
	switch others := slices.ContainsFunc(st.Items[i+1:], func(it ast.Item) bool { return isSession(it.Expr) }); {
	case !slices.Contains(b.keys, i):
		b.Compile(e) // fails, with what to write
		return
	case others:
		b.Fail(e, "a statement has one SESSION: write one statement for each, into tables of their own")
		return
	case st.Step != nil:
		b.Fail(e, "an outer SELECT cannot read sessions: write it when you select from %s", st.Table)
		return
	case len(e.Args) != 2 || e.Args[1].Op != ast.OpInterval || funcs.Gap(e.Args[1]) == 0:
		b.Call(e, funcs.Session()) // fails, with what is expected
		return
	}
	gap := funcs.Gap(e.Args[1])
	s := &session{item: i, gap: gap, part: fmt.Sprintf("%s__%ds", b.names[i], gap)}
	b.checkName(e, "its column would be", b.names[i], s.part, b.names)
	b.shown = b.names
	b.names = slices.Clone(b.names)
	b.names[i] = s.part
	for _, name := range b.names {
		if strings.EqualFold(name, startColumn) || strings.EqualFold(name, beforeColumn) || strings.HasPrefix(strings.ToLower(name), orderColumn) {
			b.Fail(e, "the view of sessions has a column %s of its own: give that of SELECT another alias", name)
		}
	}
	p.step.session = s
}

// sessions completes the step of a statement with SESSION.
func (b *stepBuilder) sessions(p *program) {
	st, s := b.Statement, p.step
	call := st.Items[s.session.item].Expr
	s.session.first = b.timeCell(p, call, "min", "first")
	s.session.last = b.timeCell(p, call, "max", "last")
	if b.Err != nil {
		return
	}
	s.grouped = true
	for i, name := range b.shown {
		it := stepItem{name: name, key: slices.Contains(b.keys, i)}
		switch at := slices.IndexFunc(p.computed, func(c computed) bool { return c.name == name }); {
		case i == s.session.item:
			it.sql = quoted(startColumn)
		case it.key:
			it.sql = quoted(name)
		case at >= 0:
			it.x = b.merged(p, p.computed[at].x)
		default:
			it.sql = b.mergedSQL(s.session, p.cell(name))
		}
		s.items = append(s.items, it)
	}
	for _, e := range b.having {
		if e = b.merged(p, e); s.having != nil {
			e = &ast.Expr{Op: ast.OpAnd, Args: []*ast.Expr{s.having, e}, Precision: -1, Scale: -1, Text: s.having.Text + " and " + e.Text}
		}
		s.having = e
	}
	for i := range p.keys {
		p.keys[i].x = sortable(p.keys[i].x)
	}
}

// cell returns the column of an aggregate; nil if there is none of that name.
func (p *program) cell(name string) *output {
	i := slices.IndexFunc(p.cells, func(o output) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &p.cells[i]
}

// timeCell returns the column that holds the smallest or largest time of a part. If SELECT has none, it adds a hidden one.
func (b *stepBuilder) timeCell(p *program, call *ast.Expr, name, suffix string) string {
	time := call.Args[0]
	if x := b.Compile(time); x.Kind == value.KindJSON || x.Kind == value.KindText { // as SESSION itself reads it
		time = &ast.Expr{Op: ast.OpCast, Name: "datetime", Args: []*ast.Expr{time}, Text: time.Text, From: time.From, To: time.To, Precision: 6, Scale: -1}
	}
	e := totalOf(call, name, time)
	e.From, e.To = time.From, time.To
	for i := range p.cells {
		if have := &p.cells[i]; have.source.Equal(e) {
			have.keepScale = true
			return have.name
		}
	}
	o := b.aggregate("", e)
	visible := b.shown[p.step.session.item]
	o.name, o.hidden, o.keepScale = visible+"__"+suffix, true, true
	b.checkName(call, "its column would be", visible, o.name, b.names)
	b.addCell(p, b.names, o)
	return o.name
}

// mergeNames holds the aggregate that merges the columns of an aggregate.
var mergeNames = map[row.Merge]string{
	row.Add: "sum", row.Min: "min", row.Max: "max", row.BitAnd: "bit_and", row.BitOr: "bit_or", row.BitXor: "bit_xor",
}

// mergeName returns the aggregate that merges the values of a column.
func (b *stepBuilder) mergeName(o *output) string {
	name := mergeNames[o.mergeKind()]
	if name == "" {
		b.Fail(o.source, "a view cannot merge it: a session consists of parts, which COUNT, SUM, MIN, MAX, AVG, VARIANCE, STDDEV, BIT_AND, BIT_OR, BIT_XOR, ANY_VALUE, FIRST, LAST, MIN_BY and MAX_BY allow; write it in a statement with TUMBLE in place of SESSION, into another table")
	}
	return name
}

// mergedSQL merges the values of a column. A count is an integer, as that of a table is; SUM alone would be a DECIMAL. Of
// the values that an order chooses, MAX reads that of the one part whose order is that of the session.
func (b *stepBuilder) mergedSQL(s *session, o *output) string {
	if o.order != nil {
		return fmt.Sprintf("MAX(CASE WHEN %s = %s THEN %s END)", quoted(o.order.name), quoted(s.chosenBy(o)), quoted(o.name))
	}
	text := strings.ToUpper(b.mergeName(o)) + "(" + quoted(o.name) + ")"
	if o.aggregate == aggregate.Count || o.aggregate == aggregate.CountValues {
		return "CAST(" + text + " AS SIGNED)"
	}
	return text
}

// chosenBy returns the column with the order that a session has for a column whose value an order chooses.
func (s *session) chosenBy(o *output) string {
	c := choice{o.order.name, choosers[o.source.Name]}
	i := slices.Index(s.choices, c)
	if i < 0 {
		i = len(s.choices)
		s.choices = append(s.choices, c)
	}
	return fmt.Sprintf("%s%d", orderColumn, i+1)
}

// merged returns an expression over columns of t__groups as one over sessions.
func (b *stepBuilder) merged(p *program, e *ast.Expr) *ast.Expr {
	if e == nil || e.Op != ast.OpColumn {
		return mapArgs(e, func(a *ast.Expr) *ast.Expr { return b.merged(p, a) })
	}
	name := e.Path[0]
	if slices.ContainsFunc(p.computed, func(c computed) bool { return c.name == name }) {
		b.Fail(e, "is an alias of an expression of aggregates: write the expression")
		return e
	}
	if name == p.step.session.part {
		b.Fail(e, "is a time, and HAVING has numbers only: write the condition when you select from %s", b.Statement.Table)
		return e
	}
	o := p.cell(name)
	if o == nil { // a key
		return e
	}
	merge := ""
	if o.order == nil {
		merge = b.mergeName(o)
	}
	if !slices.Contains(portable, merge) && b.Err == nil {
		b.Fail(e, "cannot be in an expression of a statement with SESSION: give it a column of its own, and compute with it when you select")
	}
	return totalOf(&ast.Expr{Op: ast.OpCall, Precision: -1, Scale: -1, From: e.From, To: e.To}, merge, columnFor(name, e))
}

// maxSorted is the most characters of a text in the key of sessions. Servers sort the parts of all keys, and compare only
// the first max_sort_length bytes of a text then, which are 1024 by default. The parts of two longer keys could be mixed.
const maxSorted = 255

// sortable returns a value of the key that servers can sort.
func sortable(x expr.Compiled) expr.Compiled {
	if x.Kind != value.KindText {
		return x
	}
	if !x.Bytes && (x.MaxChars == 0 || x.MaxChars > maxSorted) {
		x.MaxChars = maxSorted
	}
	eval, name := x.Eval, x.Source.Text
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if v.Set && len(v.Bytes) > maxSorted && utf8.RuneCount(v.Bytes) > maxSorted {
			return r.Fail("servers sort sessions by at most %d characters of a key, but %s has more: write LEFT(%s, %d)", maxSorted, name, name, maxSorted)
		}
		return v
	}
	return x
}
