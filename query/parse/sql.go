package parse

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/query/ast"
)

// Statement reads one statement. Its errors are for the person who wrote it.
func Statement(text string) (st *ast.Statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			st, err = nil, fmt.Errorf("the SQL parser failed on this statement (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse(text)
	if err != nil {
		return nil, syntaxError(text, err)
	}
	ins, ok := tree.(*sqlparser.Insert)
	if !ok {
		return nil, errors.New("expected INSERT INTO table SELECT … FROM events GROUP BY …")
	}
	ins.Comments = nil
	sel, err := insertSelect(ins)
	if err != nil {
		return nil, err
	}
	sel.Comments = nil
	st = &ast.Statement{Schema: ins.Table.DbQualifier.String(), Table: ins.Table.Name.String(), Text: sqlparser.String(ins)}
	for _, c := range ins.Columns {
		st.Columns = append(st.Columns, c.String())
	}
	if err := rejectClauses(sel); err != nil {
		return nil, err
	}
	if st.From, err = source(sel); err != nil {
		return nil, err
	}
	return st, fill(st, sel)
}

// insertSelect is the SELECT of an INSERT without clauses of its own.
func insertSelect(ins *sqlparser.Insert) (*sqlparser.Select, error) {
	switch {
	case ins.Action == sqlparser.ReplaceStr:
		return nil, errors.New("REPLACE would discard what is already counted: write INSERT INTO, which adds to the existing row")
	case ins.Ignore != "":
		return nil, errors.New("INSERT IGNORE drops rows silently: write INSERT INTO; a record whose row MySQL rejects becomes a dead letter")
	case len(ins.OnDup) > 0:
		return nil, errors.New("ON DUPLICATE KEY UPDATE is added by etl: leave it out; COUNT and SUM add, MIN and MAX keep the smaller and the larger")
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
		return nil, errors.New("UNION is not supported: write one INSERT … SELECT for each SELECT; several statements may write to one table")
	}
	return nil, errors.New("expected INSERT INTO table SELECT … FROM events: rows are made only from events")
}

// rejectClauses rejects the clauses of a SELECT that have no meaning for rows that are added to.
func rejectClauses(sel *sqlparser.Select) error {
	switch {
	case sel.With != nil:
		return errors.New("WITH is not supported: write its expressions where they are used")
	case sel.QueryOpts.Distinct:
		return errors.New("SELECT DISTINCT is not supported: write GROUP BY with COUNT(*)")
	case sel.Having != nil:
		return errors.New("HAVING is not supported because a group keeps growing after its batch: leave it out, and select from the table with WHERE")
	case len(sel.OrderBy) > 0:
		return errors.New("ORDER BY is not supported because a table has no order: leave it out, and order when you select from the table")
	case sel.Limit != nil:
		return errors.New("LIMIT is not supported because the result would depend on how records fall into batches: leave it out, and limit when you select from the table")
	case sel.Into != nil || sel.Lock != "" || len(sel.Window) > 0:
		return errors.New("INTO, FOR UPDATE and WINDOW are not supported: leave them out")
	}
	return nil
}

// source checks FROM events, and returns what qualifies its columns.
func source(sel *sqlparser.Select) (string, error) {
	want := errors.New("expected only FROM events: joins, subqueries and other tables are not supported; join when you select from the table")
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

// fill converts the expressions of a SELECT.
func fill(st *ast.Statement, sel *sqlparser.Select) (err error) {
	for _, s := range sel.SelectExprs {
		a, ok := s.(*sqlparser.AliasedExpr)
		if !ok {
			return errors.New("SELECT * is not supported: name the columns that the table has")
		}
		e, err := convert(a.Expr)
		if err != nil {
			return err
		}
		st.Items = append(st.Items, ast.Item{Expr: e, Alias: a.As.String()})
	}
	if sel.Where != nil {
		if st.Where, err = convert(sel.Where.Expr); err != nil {
			return err
		}
	}
	for _, g := range sel.GroupBy {
		e, err := convert(g)
		if err != nil {
			return err
		}
		st.Group = append(st.Group, e)
	}
	return nil
}

// maxDepth is how deep expressions can be nested. It bounds the recursion of everything that walks the tree.
const maxDepth = 200

func convert(e sqlparser.Expr) (*ast.Expr, error) { return converter{}.expr(e) }

type converter struct{ depth int }

func (c converter) expr(e sqlparser.Expr) (*ast.Expr, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fmt.Errorf("an expression is nested more than %d deep", maxDepth)
	}
	x := &ast.Expr{Precision: -1, Scale: -1}
	if _, interval := e.(*sqlparser.IntervalExpr); !interval {
		x.Text = sqlparser.String(e)
	}
	switch e := e.(type) {
	case *sqlparser.ParenExpr:
		return c.expr(e.Expr)
	case *sqlparser.ColName:
		return column(x, e), nil
	case *sqlparser.SQLVal:
		return literal(x, e)
	case sqlparser.BoolVal:
		x.Op, x.Not = ast.OpBool, !bool(e)
		return x, nil
	case *sqlparser.NullVal:
		x.Op = ast.OpNull
		return x, nil
	case *sqlparser.ComparisonExpr:
		return c.comparison(x, e)
	case *sqlparser.BinaryExpr:
		return c.binary(x, e)
	case *sqlparser.UnaryExpr:
		return c.unary(x, e)
	case *sqlparser.CaseExpr:
		x.Op = ast.OpCase
		operands := []sqlparser.Expr{e.Expr}
		for _, w := range e.Whens {
			operands = append(operands, w.Cond, w.Val)
		}
		return c.operands(x, append(operands, e.Else)...)
	case *sqlparser.ConvertExpr:
		x.Op, x.Name = ast.OpCast, strings.ToLower(e.Type.Type)
		if e.Type.Charset != "" {
			return nil, fmt.Errorf("%s: a character set cannot be chosen, text is UTF-8: leave it out", x.Text)
		}
		x.Precision, x.Scale = number(e.Type.Length), number(e.Type.Scale)
		return c.operands(x, e.Expr)
	case *sqlparser.IntervalExpr:
		x.Op, x.Name = ast.OpInterval, strings.ToLower(e.Unit)
		x.Text = "interval " + sqlparser.String(e.Expr) + " " + x.Name
		return c.operands(x, e.Expr)
	case *sqlparser.FuncExpr:
		return c.call(x, e)
	}
	return c.condition(x, e)
}

// operands converts what x works on. A nil stays nil.
func (c converter) operands(x *ast.Expr, es ...sqlparser.Expr) (*ast.Expr, error) {
	for _, e := range es {
		var arg *ast.Expr
		if e != nil {
			var err error
			if arg, err = c.expr(e); err != nil {
				return nil, err
			}
		}
		x.Args = append(x.Args, arg)
	}
	return x, nil
}

func column(x *ast.Expr, e *sqlparser.ColName) *ast.Expr {
	x.Op = ast.OpColumn
	for _, id := range []sqlparser.TableIdent{e.Qualifier.SchemaQualifier, e.Qualifier.DbQualifier, e.Qualifier.Name} {
		if !id.IsEmpty() {
			x.Path = append(x.Path, id.String())
		}
	}
	x.Path = append(x.Path, e.Name.String())
	return x
}

func (c converter) unary(x *ast.Expr, e *sqlparser.UnaryExpr) (*ast.Expr, error) {
	switch e.Operator {
	case sqlparser.UMinusStr:
		x.Op = ast.OpNegate
	case sqlparser.UPlusStr:
		return c.expr(e.Expr)
	case sqlparser.BangStr:
		x.Op = ast.OpNot
	default:
		return nil, unsupported(x)
	}
	return c.operands(x, e.Expr)
}

// condition converts the operators of truth values that are not comparisons.
func (c converter) condition(x *ast.Expr, e sqlparser.Expr) (*ast.Expr, error) {
	switch e := e.(type) {
	case *sqlparser.AndExpr:
		x.Op = ast.OpAnd
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.OrExpr:
		x.Op = ast.OpOr
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.XorExpr:
		x.Op = ast.OpXor
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.NotExpr:
		x.Op = ast.OpNot
		return c.operands(x, e.Expr)
	case *sqlparser.RangeCond:
		x.Op, x.Not = ast.OpBetween, e.Operator == sqlparser.NotBetweenStr
		return c.operands(x, e.Left, e.From, e.To)
	case *sqlparser.IsExpr:
		x.Op = ast.OpIs
		x.Name = strings.TrimPrefix(strings.TrimPrefix(e.Operator, "is "), "not ")
		x.Not = strings.HasPrefix(e.Operator, "is not ")
		return c.operands(x, e.Expr)
	}
	return nil, reject(x, e)
}

func (c converter) comparison(x *ast.Expr, e *sqlparser.ComparisonExpr) (*ast.Expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	x.Args = []*ast.Expr{left}
	if tuple, ok := e.Right.(sqlparser.ValTuple); ok {
		for _, t := range tuple {
			v, err := c.expr(t)
			if err != nil {
				return nil, err
			}
			x.Args = append(x.Args, v)
		}
	} else {
		right, err := c.expr(e.Right)
		if err != nil {
			return nil, err
		}
		x.Args = append(x.Args, right)
	}
	switch e.Operator {
	case sqlparser.InStr, sqlparser.NotInStr:
		x.Op, x.Not = ast.OpIn, e.Operator == sqlparser.NotInStr
	case sqlparser.LikeStr, sqlparser.NotLikeStr:
		x.Op, x.Not, x.Name = ast.OpLike, e.Operator == sqlparser.NotLikeStr, `\`
		if e.Escape != nil {
			lit, ok := e.Escape.(*sqlparser.SQLVal)
			if !ok || lit.Type != sqlparser.StrVal || len(lit.Val) > 1 {
				return nil, fmt.Errorf("%s: ESCAPE must be one character", x.Text)
			}
			x.Name = string(lit.Val)
		}
	case "=", "<", "<=", ">", ">=", "<=>":
		x.Op, x.Name = ast.OpCompare, e.Operator
	case "!=", "<>":
		x.Op, x.Name = ast.OpCompare, "<>"
	default:
		return nil, fmt.Errorf("%s: %s is not supported: write LIKE, or several of them with OR", x.Text, strings.ToUpper(e.Operator))
	}
	return x, nil
}

func (c converter) binary(x *ast.Expr, e *sqlparser.BinaryExpr) (*ast.Expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	switch e.Operator {
	case sqlparser.JSONExtractOp, sqlparser.JSONUnquoteExtractOp:
		lit, ok := e.Right.(*sqlparser.SQLVal)
		if !ok || lit.Type != sqlparser.StrVal || left.Op != ast.OpColumn || left.JSONPath {
			return nil, fmt.Errorf("%s: expected field->>'$.name.name'", x.Text)
		}
		if x.Steps, err = jsonpath.Parse(string(lit.Val)); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Text, err)
		}
		x.Op, x.Path, x.JSONPath, x.Quoted = ast.OpColumn, left.Path, true, e.Operator == sqlparser.JSONExtractOp
		return x, nil
	case sqlparser.PlusStr, sqlparser.MinusStr, sqlparser.MultStr, sqlparser.DivStr:
		x.Name = e.Operator
	case sqlparser.IntDivStr:
		x.Name = "div"
	case sqlparser.ModStr, "mod":
		x.Name = "%"
	default:
		return nil, unsupported(x)
	}
	right, err := c.expr(e.Right)
	x.Op, x.Args = ast.OpArith, []*ast.Expr{left, right}
	return x, err
}

func (c converter) call(x *ast.Expr, e *sqlparser.FuncExpr) (*ast.Expr, error) {
	x.Op, x.Name, x.Distinct = ast.OpCall, e.Name.Lowered(), e.Distinct
	if e.Over != nil {
		return nil, fmt.Errorf("%s: window functions are not supported because they look at other rows: group with TUMBLE(time, INTERVAL n unit); _topic, _partition, _offset and _index number the records", x.Text)
	}
	if !e.Qualifier.IsEmpty() {
		return nil, unsupported(x)
	}
	for _, s := range e.Exprs {
		switch s := s.(type) {
		case *sqlparser.StarExpr:
			x.Star = true
		case *sqlparser.AliasedExpr:
			a, err := c.expr(s.Expr)
			if err != nil {
				return nil, err
			}
			x.Args = append(x.Args, a)
		default:
			return nil, unsupported(x)
		}
	}
	if x.Name == "mod" && len(x.Args) == 2 && !x.Star {
		x.Op, x.Name = ast.OpArith, "%"
	}
	return x, nil
}

func literal(x *ast.Expr, v *sqlparser.SQLVal) (*ast.Expr, error) {
	x.Name = string(v.Val)
	switch v.Type {
	case sqlparser.StrVal:
		x.Op = ast.OpText
	case sqlparser.IntVal:
		x.Op = ast.OpInt
	case sqlparser.FloatVal:
		x.Op = ast.OpDecimal
		if strings.ContainsAny(x.Name, "eE") {
			x.Op = ast.OpDouble
		}
	case sqlparser.ValArg:
		return nil, errors.New("placeholders (? and :name) are not supported: write the value")
	default:
		return nil, fmt.Errorf("%s: hexadecimal and bit literals are not supported because MySQL reads them as text in some places and as numbers in others: write the number or the text", x.Text)
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

func unsupported(x *ast.Expr) error {
	return fmt.Errorf("%s: not supported; docs/query.md lists what is", x.Text)
}

// reject is the error for an expression that the tree has no place for.
func reject(x *ast.Expr, e sqlparser.Expr) error {
	switch e.(type) {
	case *sqlparser.Subquery, *sqlparser.ExistsExpr:
		return fmt.Errorf("%s: subqueries are not supported: join when you select from the table", x.Text)
	case *sqlparser.GroupConcatExpr:
		return fmt.Errorf("%s: GROUP_CONCAT cannot be computed by adding to a row: group by the value, with COUNT(*)", x.Text)
	case *sqlparser.CollateExpr:
		return fmt.Errorf("%s: COLLATE is not supported, text is compared by its bytes: leave it out", x.Text)
	case *sqlparser.ConvertUsingExpr:
		return fmt.Errorf("%s: character sets cannot be converted, text is UTF-8: leave it out", x.Text)
	case *sqlparser.SubstrExpr:
		return fmt.Errorf("%s: not supported: write LEFT(text, n) or SUBSTRING_INDEX(text, delimiter, n)", x.Text)
	}
	return unsupported(x)
}

// reserved asks the parser itself whether a word can stand as a column's name.
func reserved(word string) bool {
	_, err := sqlparser.Parse("select " + word + " from t")
	return err != nil
}
