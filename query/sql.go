package query

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/fold/jsonpath"
)

// This file alone knows the SQL parser: it turns its tree into ours, and its errors into ours.

// parseStatement reads one statement. Everything of the dialect that our tree has no place for is refused here.
func parseStatement(text string) (st *statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			st, err = nil, fmt.Errorf("the SQL parser gave up on this statement (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse(text)
	if err != nil {
		return nil, syntaxError(text, err)
	}
	ins, ok := tree.(*sqlparser.Insert)
	if !ok {
		return nil, errors.New("want INSERT INTO table SELECT … FROM events GROUP BY …")
	}
	ins.Comments = nil
	sel, err := insertSelect(ins)
	if err != nil {
		return nil, err
	}
	sel.Comments = nil
	st = &statement{schema: ins.Table.DbQualifier.String(), table: ins.Table.Name.String(), text: sqlparser.String(ins)}
	for _, c := range ins.Columns {
		st.columns = append(st.columns, c.String())
	}
	if err := refuseClauses(sel); err != nil {
		return nil, err
	}
	if st.from, err = source(sel); err != nil {
		return nil, err
	}
	return st, st.fill(sel)
}

func insertSelect(ins *sqlparser.Insert) (*sqlparser.Select, error) {
	switch {
	case ins.Action == sqlparser.ReplaceStr:
		return nil, errors.New("REPLACE would throw away what is counted already: write INSERT INTO, which adds to the row that is there")
	case ins.Ignore != "":
		return nil, errors.New("INSERT IGNORE drops rows in silence: write INSERT INTO; what MySQL refuses becomes a dead letter")
	case len(ins.OnDup) > 0:
		return nil, errors.New("ON DUPLICATE KEY UPDATE is etl's own doing: leave it out; COUNT and SUM add, MIN and MAX keep the smaller and the larger")
	case len(ins.Partitions) > 0 || ins.With != nil || len(ins.Returning) > 0:
		return nil, errors.New("INSERT with PARTITION, WITH or RETURNING is not supported: write INSERT INTO table SELECT … FROM events")
	}
	switch rows := ins.Rows.(type) {
	case *sqlparser.Select:
		return rows, nil
	case *sqlparser.ParenSelect:
		if sel, ok := rows.Select.(*sqlparser.Select); ok {
			return sel, nil
		}
	case *sqlparser.SetOp:
		return nil, errors.New("UNION is not supported: write one INSERT … SELECT for each part; several statements may write to one table")
	}
	return nil, errors.New("want INSERT INTO table SELECT … FROM events; rows are made from events alone")
}

func refuseClauses(sel *sqlparser.Select) error {
	switch {
	case sel.With != nil:
		return errors.New("WITH is not supported: write its expressions where they are used")
	case sel.QueryOpts.Distinct:
		return errors.New("SELECT DISTINCT is not supported: write GROUP BY with COUNT(*)")
	case sel.Having != nil:
		return errors.New("HAVING is not supported, for a group goes on growing after the batch: leave it out, and select from the table with WHERE")
	case len(sel.OrderBy) > 0:
		return errors.New("ORDER BY is not supported, for a table has no order: leave it out, and order when you select from the table")
	case sel.Limit != nil:
		return errors.New("LIMIT is not supported, for it would depend on how records fall into batches: leave it out, and limit when you select from the table")
	case sel.Into != nil || sel.Lock != "" || len(sel.Window) > 0:
		return errors.New("INTO, FOR UPDATE and WINDOW are not supported: leave them out")
	}
	return nil
}

// source checks FROM events, and returns what qualifies its columns.
func source(sel *sqlparser.Select) (string, error) {
	want := errors.New("want FROM events, alone: joins, subqueries and other tables are not supported; what a record lacks has to be joined when you select from the table")
	if len(sel.From) != 1 {
		return "", want
	}
	from, ok := sel.From[0].(*sqlparser.AliasedTableExpr)
	if !ok {
		return "", want
	}
	name, ok := from.Expr.(sqlparser.TableName)
	if !ok || !strings.EqualFold(name.Name.String(), "events") || !name.DbQualifier.IsEmpty() || from.AsOf != nil ||
		from.Hints != nil || len(from.Partitions) > 0 {
		return "", want
	}
	if !from.As.IsEmpty() {
		return from.As.String(), nil
	}
	return "events", nil
}

func (st *statement) fill(sel *sqlparser.Select) (err error) {
	for _, s := range sel.SelectExprs {
		a, ok := s.(*sqlparser.AliasedExpr)
		if !ok {
			return errors.New("SELECT * is not supported: name the columns that the table has")
		}
		e, err := convert(a.Expr)
		if err != nil {
			return err
		}
		st.items = append(st.items, item{e, a.As.String()})
	}
	if sel.Where != nil {
		if st.where, err = convert(sel.Where.Expr); err != nil {
			return err
		}
	}
	for _, g := range sel.GroupBy {
		e, err := convert(g)
		if err != nil {
			return err
		}
		st.group = append(st.group, e)
	}
	return nil
}

// maxDepth bounds the nesting of expressions.
const maxDepth = 200

func convert(e sqlparser.Expr) (*expr, error) { return converter{}.expr(e) }

type converter struct{ depth int }

func (c converter) expr(e sqlparser.Expr) (*expr, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fmt.Errorf("an expression is nested more than %d deep", maxDepth)
	}
	x := &expr{p: -1, s: -1}
	if _, interval := e.(*sqlparser.IntervalExpr); !interval {
		x.text = sqlparser.String(e)
	}
	var err error
	args := func(es ...sqlparser.Expr) {
		for _, a := range es {
			var sub *expr
			if a != nil && err == nil {
				sub, err = c.expr(a)
			}
			x.args = append(x.args, sub)
		}
	}
	switch e := e.(type) {
	case *sqlparser.ParenExpr:
		return c.expr(e.Expr)
	case *sqlparser.ColName:
		x.op = opColumn
		for _, id := range []sqlparser.TableIdent{e.Qualifier.SchemaQualifier, e.Qualifier.DbQualifier, e.Qualifier.Name} {
			if !id.IsEmpty() {
				x.path = append(x.path, id.String())
			}
		}
		x.path = append(x.path, e.Name.String())
	case *sqlparser.SQLVal:
		return literal(x, e)
	case sqlparser.BoolVal:
		x.op, x.not = opBool, !bool(e)
	case *sqlparser.NullVal:
		x.op = opNull
	case *sqlparser.AndExpr:
		x.op = opAnd
		args(e.Left, e.Right)
	case *sqlparser.OrExpr:
		x.op = opOr
		args(e.Left, e.Right)
	case *sqlparser.XorExpr:
		x.op = opXor
		args(e.Left, e.Right)
	case *sqlparser.NotExpr:
		x.op = opNot
		args(e.Expr)
	case *sqlparser.ComparisonExpr:
		return c.comparison(x, e)
	case *sqlparser.RangeCond:
		x.op, x.not = opBetween, e.Operator == sqlparser.NotBetweenStr
		args(e.Left, e.From, e.To)
	case *sqlparser.IsExpr:
		x.op = opIs
		x.name = strings.TrimPrefix(strings.TrimPrefix(e.Operator, "is "), "not ")
		x.not = strings.HasPrefix(e.Operator, "is not ")
		args(e.Expr)
	case *sqlparser.BinaryExpr:
		return c.binary(x, e)
	case *sqlparser.UnaryExpr:
		switch e.Operator {
		case sqlparser.UMinusStr:
			x.op = opNegate
		case sqlparser.UPlusStr:
			return c.expr(e.Expr)
		case sqlparser.BangStr:
			x.op = opNot
		default:
			return nil, unsupported(x)
		}
		args(e.Expr)
	case *sqlparser.CaseExpr:
		x.op = opCase
		args(e.Expr)
		for _, w := range e.Whens {
			args(w.Cond, w.Val)
		}
		args(e.Else)
	case *sqlparser.ConvertExpr:
		x.op, x.name = opCast, strings.ToLower(e.Type.Type)
		if e.Type.Charset != "" {
			return nil, fmt.Errorf("%s: a character set cannot be chosen, text is UTF-8: leave it out", x.text)
		}
		x.p, x.s = number(e.Type.Length), number(e.Type.Scale)
		args(e.Expr)
	case *sqlparser.IntervalExpr:
		x.op, x.name = opInterval, strings.ToLower(e.Unit)
		x.text = "interval " + sqlparser.String(e.Expr) + " " + x.name
		args(e.Expr)
	case *sqlparser.FuncExpr:
		return c.call(x, e)
	default:
		return nil, refuse(x, e)
	}
	return x, err
}

func (c converter) comparison(x *expr, e *sqlparser.ComparisonExpr) (*expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	x.args = []*expr{left}
	if tuple, ok := e.Right.(sqlparser.ValTuple); ok {
		for _, t := range tuple {
			v, err := c.expr(t)
			if err != nil {
				return nil, err
			}
			x.args = append(x.args, v)
		}
	} else {
		right, err := c.expr(e.Right)
		if err != nil {
			return nil, err
		}
		x.args = append(x.args, right)
	}
	switch e.Operator {
	case sqlparser.InStr, sqlparser.NotInStr:
		x.op, x.not = opIn, e.Operator == sqlparser.NotInStr
	case sqlparser.LikeStr, sqlparser.NotLikeStr:
		x.op, x.not, x.name = opLike, e.Operator == sqlparser.NotLikeStr, `\`
		if e.Escape != nil {
			lit, ok := e.Escape.(*sqlparser.SQLVal)
			if !ok || lit.Type != sqlparser.StrVal || len(lit.Val) > 1 {
				return nil, fmt.Errorf("%s: want ESCAPE with one character", x.text)
			}
			x.name = string(lit.Val)
		}
	case "=", "<", "<=", ">", ">=", "<=>":
		x.op, x.name = opCompare, e.Operator
	case "!=", "<>":
		x.op, x.name = opCompare, "<>"
	default:
		return nil, fmt.Errorf("%s: %s is not supported: write LIKE, or several of them with OR", x.text, strings.ToUpper(e.Operator))
	}
	return x, nil
}

func (c converter) binary(x *expr, e *sqlparser.BinaryExpr) (*expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	switch e.Operator {
	case sqlparser.JSONExtractOp, sqlparser.JSONUnquoteExtractOp:
		lit, ok := e.Right.(*sqlparser.SQLVal)
		if !ok || lit.Type != sqlparser.StrVal || left.op != opColumn || left.jsonPath {
			return nil, fmt.Errorf("%s: want field->>'$.name.name'", x.text)
		}
		if x.steps, err = jsonpath.Parse(string(lit.Val)); err != nil {
			return nil, fmt.Errorf("%s: %w", x.text, err)
		}
		x.op, x.path, x.jsonPath, x.quoted = opColumn, left.path, true, e.Operator == sqlparser.JSONExtractOp
		return x, nil
	case sqlparser.PlusStr, sqlparser.MinusStr, sqlparser.MultStr, sqlparser.DivStr:
		x.name = e.Operator
	case sqlparser.IntDivStr:
		x.name = "div"
	case sqlparser.ModStr, "mod":
		x.name = "%"
	default:
		return nil, unsupported(x)
	}
	right, err := c.expr(e.Right)
	x.op, x.args = opArith, []*expr{left, right}
	return x, err
}

func (c converter) call(x *expr, e *sqlparser.FuncExpr) (*expr, error) {
	x.op, x.name, x.distinct = opCall, e.Name.Lowered(), e.Distinct
	if e.Over != nil {
		return nil, fmt.Errorf("%s: window functions are not supported, for they look at other rows: group with TUMBLE(time, INTERVAL n unit); _topic, _partition, _offset and _index number the records", x.text)
	}
	if !e.Qualifier.IsEmpty() {
		return nil, unsupported(x)
	}
	for _, s := range e.Exprs {
		switch s := s.(type) {
		case *sqlparser.StarExpr:
			x.star = true
		case *sqlparser.AliasedExpr:
			a, err := c.expr(s.Expr)
			if err != nil {
				return nil, err
			}
			x.args = append(x.args, a)
		default:
			return nil, unsupported(x)
		}
	}
	if x.name == "mod" && len(x.args) == 2 && !x.star {
		x.op, x.name = opArith, "%"
	}
	return x, nil
}

func literal(x *expr, v *sqlparser.SQLVal) (*expr, error) {
	x.name = string(v.Val)
	switch v.Type {
	case sqlparser.StrVal:
		x.op = opText
	case sqlparser.IntVal:
		x.op = opInt
	case sqlparser.FloatVal:
		x.op = opDecimal
		if strings.ContainsAny(x.name, "eE") {
			x.op = opDouble
		}
	case sqlparser.ValArg:
		return nil, errors.New("placeholders (? and :name) are not supported: write the value")
	default:
		return nil, fmt.Errorf("%s: hexadecimal and bit literals are not supported, for MySQL reads them as text here and as numbers there: write the number or the text", x.text)
	}
	return x, nil
}

func number(v *sqlparser.SQLVal) int {
	if v == nil {
		return -1
	}
	n, err := strconv.Atoi(string(v.Val))
	if err != nil {
		return -2
	}
	return n
}

func unsupported(x *expr) error {
	return fmt.Errorf("%s: not supported; docs/query.md lists what is", x.text)
}

func refuse(x *expr, e sqlparser.Expr) error {
	switch e.(type) {
	case *sqlparser.Subquery, *sqlparser.ExistsExpr:
		return fmt.Errorf("%s: subqueries are not supported: join when you select from the table", x.text)
	case *sqlparser.GroupConcatExpr:
		return fmt.Errorf("%s: GROUP_CONCAT cannot be kept by adding to a row: group by the value, with COUNT(*)", x.text)
	case *sqlparser.CollateExpr:
		return fmt.Errorf("%s: COLLATE is not supported, text is compared by its bytes: leave it out", x.text)
	case *sqlparser.ConvertUsingExpr:
		return fmt.Errorf("%s: character sets cannot be converted, text is UTF-8: leave it out", x.text)
	case *sqlparser.SubstrExpr:
		return fmt.Errorf("%s: not supported: write LEFT(text, n) or SUBSTRING_INDEX(text, delimiter, n)", x.text)
	}
	return unsupported(x)
}

var nearText = regexp.MustCompile(`(?s)syntax error at position (\d+)(?: near '(.*)')?`)

// syntaxError says where a statement cannot be read. The parser gives the text at which it stopped, which may be one
// word late; what it gives is shown, and words before it that are reserved are named.
func syntaxError(text string, err error) error {
	m := nearText.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("cannot be read: %s", strings.TrimSpace(err.Error()))
	}
	at, _ := strconv.Atoi(m[1])
	at = min(max(at, 0), len(text))
	shown := strings.TrimSpace(m[2])
	if shown == "" {
		shown = "the end"
	} else {
		shown = "'" + shown + "'"
	}
	line := 1 + strings.Count(text[:at], "\n")
	hint := ""
	words := identifier.FindAllString(text[:at], -1)
	if n := len(words); n > 0 {
		for _, w := range words[max(0, n-2):] {
			if reserved(w) && !clauseWord[strings.ToLower(w)] {
				hint = fmt.Sprintf("; %s is a reserved word of MySQL: as the name of a field or an alias it needs backticks: `%s`", w, w)
				break
			}
		}
	}
	return fmt.Errorf("syntax error near %s, line %d of the statement%s", shown, line, hint)
}

var identifier = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// clauseWord holds the words that stand in a query by right, and so explain nothing.
var clauseWord = map[string]bool{
	"insert": true, "into": true, "select": true, "from": true, "where": true, "group": true, "by": true, "and": true, "or": true,
	"not": true, "as": true, "like": true, "in": true, "between": true, "is": true, "null": true, "case": true, "when": true,
	"then": true, "else": true, "end": true, "cast": true, "interval": true, "div": true, "mod": true, "true": true, "false": true,
	"if": true, "left": true, "right": true, "with": true, "having": true, "order": true, "limit": true, "union": true, "xor": true,
}

// reserved asks the parser itself whether a word can stand as a column's name.
func reserved(word string) bool {
	_, err := sqlparser.Parse("select " + word + " from t")
	return err != nil
}
