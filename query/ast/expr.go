package ast

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/jsonpath"
)

// Op is an operator: the kind of an expression.
type Op uint8

// The operators. The comment on each says what the fields of an expression hold. OpCompare to OpNot are conditions.
const (
	OpColumn   Op = iota // path, and perhaps a JSON path
	OpInt                // name: a literal without a point
	OpDecimal            // name: a literal with a point
	OpDouble             // name: a literal with an exponent
	OpText               // name: a literal's value
	OpBool               // TRUE, or FALSE if not is set
	OpNull               // the literal NULL
	OpCall               // name(args)
	OpArith              // name is + - * / div %
	OpNegate             // -args[0]
	OpCompare            // name is = <> < <= > >= <=>
	OpLike               // args[0] LIKE args[1] ESCAPE name
	OpIn                 // args[0] IN (args[1:])
	OpBetween            // args[0] BETWEEN args[1] AND args[2]
	OpIs                 // args[0] IS name, which is null, true or false
	OpAnd                // args[0] AND args[1]
	OpOr                 // args[0] OR args[1]
	OpXor                // args[0] XOR args[1]
	OpNot                // NOT args[0]
	OpCase               // args: a value or nil, then pairs of condition and result, then the ELSE or nil
	OpCast               // CAST(args[0] AS name(precision, scale))
	OpInterval           // INTERVAL args[0] name, where name is the unit
	OpBit                // name is & | ^ << >>, or ~ with one operand
	OpBytes              // name: the bytes of a hexadecimal or bit literal
	OpEnd                // the number of operators
)

// IsCondition reports whether an operator yields a truth value.
func (o Op) IsCondition() bool { return o >= OpCompare && o <= OpNot }

// Expr is an expression: an operator and its operands. Which fields are set depends on the operator; the operators' own
// comments say so. A tree is not changed after it was parsed, so it is safe for concurrent use.
type Expr struct {
	Op               Op
	Name             string
	Path             []string        // of a column: the names that qualify it, then its name
	Element          *ElementRef     // of a column of Elements; nil for one of events
	Steps            []jsonpath.Step // of a JSON path: the steps after Path
	JSONPath         bool            // a JSON path follows the column's name
	Quoted           bool            // the operator is ->, which keeps the quotes of a string, not ->>
	Inner            bool            // of a column: a subquery selects it, so it is no alias of SELECT
	OfGroup          bool            // of a column: it is a column of groups, not of events
	Args             []*Expr
	Not              bool   // NOT LIKE, NOT IN, NOT BETWEEN, IS NOT
	Star             bool   // COUNT(*)
	Distinct         bool   // COUNT(DISTINCT x)
	Precision, Scale int    // of a cast: precision (or length) and scale, -1 if there is none
	Text             string // the expression as SQL in normal form, for errors and to recognize equal expressions
	From, To         int    // the place of the expression in Statement.Text; To is 0 if there is none
}

// Item is one expression of a SELECT.
type Item struct {
	*Expr
	Alias string
}

// Statement is INSERT INTO schema.table (columns) SELECT items FROM events AS from WHERE where GROUP BY group HAVING
// having. With a Step it is INSERT INTO schema.table (columns) followed by the Step, which reads this SELECT.
type Statement struct {
	Replace       bool // REPLACE INTO
	Ignore        bool // INSERT IGNORE INTO
	Schema, Table string
	Columns       []string
	Items         []Item
	From          string // the name that qualifies columns of events: the alias, or events
	Elements      []*Elements
	Where         *Expr // nil if there is none
	Group         []*Expr
	Having        *Expr  // nil if there is none
	Step          *Step  // nil if there is none
	Text          string // the statement as SQL in normal form
}

// Step is a SELECT that reads the groups of a statement: SELECT items FROM groups WHERE where GROUP BY group HAVING
// having. Columns in its expressions are the statement's items, by name, and have OfGroup set.
type Step struct {
	Items  []Item
	Where  *Expr // nil if there is none
	Group  []*Expr
	Having *Expr // nil if there is none
}

// Aggregates lists the aggregate functions, in lower case.
var Aggregates = []string{
	"count", "sum", "min", "max", "any_value", "min_by", "max_by", "first", "last", "bit_and", "bit_or", "bit_xor",
	"approx_count_distinct", "approx_percentile", "group_concat",
}

// Composed lists the functions that are computed from several aggregates, in lower case.
var Composed = []string{"avg", "variance", "var_pop", "var_samp", "std", "stddev", "stddev_pop", "stddev_samp"}

// IsAggregate reports whether e is a call of an aggregate.
func (e *Expr) IsAggregate() bool { return e.Op == OpCall && slices.Contains(Aggregates, e.Name) }

// Equal reports whether two expressions, which may be nil, are the same tree. The names of columns are compared with
// regard to case.
func (e *Expr) Equal(o *Expr) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.Op == o.Op && e.Name == o.Name && e.Not == o.Not && e.Star == o.Star && e.Distinct == o.Distinct &&
		e.JSONPath == o.JSONPath && e.Quoted == o.Quoted && e.Precision == o.Precision && e.Scale == o.Scale &&
		e.OfGroup == o.OfGroup && slices.Equal(e.Path, o.Path) && slices.Equal(e.Steps, o.Steps) && slices.EqualFunc(e.Args, o.Args, (*Expr).Equal)
}

// ColumnName returns the name that a column's value has in the table without an alias: the last member of its JSON
// path, else the last name of its path.
func (e *Expr) ColumnName() string {
	for _, s := range slices.Backward(e.Steps) {
		if !s.IsCell {
			return s.Name
		}
	}
	return e.Path[len(e.Path)-1]
}

// Mentions reports whether e, which may be nil, contains a column of that name.
func (e *Expr) Mentions(name string) bool {
	if e == nil {
		return false
	}
	if e.Op == OpColumn && e.Path[len(e.Path)-1] == name {
		return true
	}
	for _, a := range e.Args {
		if a.Mentions(name) {
			return true
		}
	}
	return false
}

// Calls reports whether e, which may be nil, contains a call of a function. The name is in lower case.
func (e *Expr) Calls(name string) bool {
	if e == nil {
		return false
	}
	return e.Op == OpCall && e.Name == name || slices.ContainsFunc(e.Args, func(a *Expr) bool { return a.Calls(name) })
}

// HasAggregate reports whether e, which may be nil, contains an aggregate.
func (e *Expr) HasAggregate() bool {
	if e == nil {
		return false
	}
	if e.IsAggregate() {
		return true
	}
	for _, a := range e.Args {
		if a.HasAggregate() {
			return true
		}
	}
	return false
}

// Unqualified returns a column's path without the leading name that qualifies columns of events.
func (st *Statement) Unqualified(path []string) []string {
	if len(path) > 1 && strings.EqualFold(path[0], st.From) {
		return path[1:]
	}
	return path
}

// Aliased returns the SELECT item that has an alias, without regard to case; nil if there is none.
func (st *Statement) Aliased(name string) *Item {
	for i := range st.Items {
		if strings.EqualFold(st.Items[i].Alias, name) {
			return &st.Items[i]
		}
	}
	return nil
}
