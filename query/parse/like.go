package parse

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// PostgreSQL and ClickHouse have ILIKE, which is LIKE without regard to case. MySQL and the SQL parser do not, so Split
// writes LIKE for it, and noteILike restores it in the tree: the normal form of the statement, which is hashed, has it.
const iLike, notILike = "ilike", "not ilike"

func isLike(word string) bool {
	return strings.EqualFold(word, "like") || strings.EqualFold(word, iLike)
}

// noteILike sets the operator of each comparison that is ILIKE in the text. The LIKEs of the tree are in the same order as
// in the text.
func (s Source) noteILike(tree sqlparser.SQLNode) error {
	n := 0
	buf := sqlparser.NewTrackedBuffer(func(buf *sqlparser.TrackedBuffer, node sqlparser.SQLNode) {
		e, ok := node.(*sqlparser.ComparisonExpr)
		if !ok || e.Operator != sqlparser.LikeStr && e.Operator != sqlparser.NotLikeStr {
			node.Format(buf)
			return
		}
		buf.Myprintf("%v", e.Left)
		if n < len(s.ilike) && s.ilike[n] {
			e.Operator = map[string]string{sqlparser.LikeStr: iLike, sqlparser.NotLikeStr: notILike}[e.Operator]
		}
		n++
		buf.Myprintf("%v", e.Right)
		if e.Escape != nil {
			buf.Myprintf("%v", e.Escape)
		}
	})
	tree.Format(buf)
	if n != len(s.ilike) {
		return errors.New("LIKE or ILIKE is used as a name: write it in backticks")
	}
	return nil
}

// like converts LIKE and ILIKE with these operands. x ILIKE y is LOWER(x) LIKE LOWER(y).
func (c converter) like(x *ast.Expr, e *sqlparser.ComparisonExpr) (*ast.Expr, error) {
	x.Op, x.Not, x.Name = ast.OpLike, e.Operator == sqlparser.NotLikeStr || e.Operator == notILike, `\`
	if e.Escape != nil {
		lit, ok := e.Escape.(*sqlparser.SQLVal)
		if !ok || lit.Type != sqlparser.StrVal || utf8.RuneCount(lit.Val) > 1 {
			return nil, fmt.Errorf("%s: ESCAPE must be one character", x.Text)
		}
		x.Name = string(lit.Val)
	}
	if e.Operator == sqlparser.LikeStr || e.Operator == sqlparser.NotLikeStr {
		return x, nil
	}
	if strings.ToLower(x.Name) != strings.ToUpper(x.Name) {
		return nil, fmt.Errorf("%s: ESCAPE of ILIKE must be one character that is no letter", x.Text)
	}
	for i, a := range x.Args {
		x.Args[i] = &ast.Expr{Op: ast.OpCall, Name: "lower", Args: []*ast.Expr{a}, Precision: -1, Scale: -1, Text: "lower(" + a.Text + ")", From: a.From, To: a.To}
	}
	return x, nil
}
