package query

import (
	"slices"

	"github.com/sluice-etl/sluice/fold/jsonpath"
)

// op is what an expression does.
type op uint8

const (
	opColumn  op = iota // path
	opInt               // text: a literal without a point
	opDecimal           // text: a literal with a point
	opDouble            // text: a literal with an exponent
	opText              // name: a literal's value
	opBool              // not says FALSE
	opNull
	opCall    // name(args)
	opArith   // name is + - * / div %
	opNegate  // -args[0]
	opCompare // name is = <> < <= > >= <=>; from here to opNot all are conditions
	opLike    // args[0] LIKE args[1] ESCAPE name
	opIn      // args[0] IN (args[1:])
	opBetween // args[0] BETWEEN args[1] AND args[2]
	opIs      // args[0] IS name, one of null, true, false
	opAnd
	opOr
	opXor
	opNot
	opCase     // args: value or nil, then pairs, then else or nil
	opCast     // args[0] AS name(p, s)
	opInterval // args[0] and the unit in name
	opEnd      // how many there are
)

// expr is a node of our own tree: what sql.go makes of the parser's.
type expr struct {
	op       op
	name     string
	path     []string        // of a column: its name, in front of it what qualifies it
	steps    []jsonpath.Step // of a JSON path, behind path
	jsonPath bool            // a JSON path follows the name
	quoted   bool            // the JSON operator ->, which keeps the quotes of a text
	args     []*expr
	not      bool // NOT LIKE, NOT IN, NOT BETWEEN, IS NOT
	star     bool // COUNT(*)
	distinct bool
	p, s     int    // of a cast: its numbers, -1 where absent
	text     string // as it is written, in normal form: for errors, and to know equal expressions
}

// item is one expression of a SELECT.
type item struct {
	*expr
	alias string
}

// statement is one INSERT INTO table (columns) SELECT items FROM events WHERE where GROUP BY group.
type statement struct {
	schema, table string
	columns       []string
	items         []item
	from          string // what qualifies a column of events: its alias, else its name
	where         *expr
	group         []*expr
	text          string // in normal form
}

var aggregates = map[string]bool{"count": true, "sum": true, "min": true, "max": true}

func (e *expr) aggregate() bool { return e.op == opCall && aggregates[e.name] }

// columnName is the last name of a column and its JSON path.
func (e *expr) columnName() string {
	for _, s := range slices.Backward(e.steps) {
		if !s.IsCell {
			return s.Name
		}
	}
	return e.path[len(e.path)-1]
}

// mentions reports whether a column of that name stands anywhere within e.
func (e *expr) mentions(name string) bool {
	if e == nil {
		return false
	}
	if e.op == opColumn && e.path[len(e.path)-1] == name {
		return true
	}
	for _, a := range e.args {
		if a.mentions(name) {
			return true
		}
	}
	return false
}

// holdsAggregate reports whether an aggregate stands anywhere within e.
func (e *expr) holdsAggregate() bool {
	if e == nil {
		return false
	}
	if e.aggregate() {
		return true
	}
	for _, a := range e.args {
		if a.holdsAggregate() {
			return true
		}
	}
	return false
}
