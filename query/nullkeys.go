package query

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// A key whose value can be NULL is a Nullable column of the key: records with NULL are one group. The table stores it in
// two hidden columns (row.Column.KeyNames). WHERE can exclude NULL, and then an ordinary column holds the key.

// checkNullKey checks the names of the columns that store a key that can be NULL. names are the columns of all items.
func (c *builder) checkNullKey(name string, names []string, e *ast.Expr) {
	if len(name) > row.MaxNullableKeyName {
		c.Fail(e, "can be NULL, so two columns store it whose names begin with %s, and a column name has at most %d bytes: give it an alias of at most %d", name, maxName, row.MaxNullableKeyName)
	}
	value, null := (&row.Column{Name: name}).KeyNames()
	for _, stored := range []string{value, null} {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, stored) }) {
			c.Fail(e, "can be NULL, so its column %s stores it, which another item of SELECT has: give that another alias", stored)
		}
	}
}

// excludesNull returns whether WHERE excludes the records in which an expression is NULL; nil if it excludes none.
func (c *builder) excludesNull() func(e *ast.Expr) bool {
	known := notNullIf(c.Statement.Where)
	if len(known) == 0 {
		return nil
	}
	return func(e *ast.Expr) bool {
		return slices.ContainsFunc(known, func(k *ast.Expr) bool { return c.sameValue(k, e) })
	}
}

// notNullIf returns expressions that are not NULL if condition, which may be nil, is true.
func notNullIf(condition *ast.Expr) []*ast.Expr {
	if condition == nil {
		return nil
	}
	switch e := condition; e.Op {
	case ast.OpAnd:
		return append(notNullIf(e.Args[0]), notNullIf(e.Args[1])...)
	case ast.OpOr:
		left, right := notNullIf(e.Args[0]), notNullIf(e.Args[1])
		return slices.DeleteFunc(left, func(k *ast.Expr) bool { return !slices.ContainsFunc(right, k.Equal) })
	case ast.OpNot:
		return notNullUnless(e.Args[0])
	case ast.OpIs:
		switch {
		case e.Name == "true" && !e.Not:
			return append(notNullIf(e.Args[0]), notNull(e.Args[0])...)
		case e.Name == "null" == e.Not: // IS NOT NULL, IS FALSE
			return notNull(e.Args[0])
		}
		return nil
	default:
		return notNull(e)
	}
}

// notNullUnless returns expressions that are not NULL if condition is false.
func notNullUnless(condition *ast.Expr) []*ast.Expr {
	switch e := condition; e.Op {
	case ast.OpOr:
		return append(notNullUnless(e.Args[0]), notNullUnless(e.Args[1])...)
	case ast.OpIs:
		if e.Name == "null" && !e.Not {
			return notNull(e.Args[0])
		}
		return nil
	case ast.OpAnd, ast.OpNot:
		return nil
	default:
		return notNull(e)
	}
}

// notNull returns e, which is not NULL, and those of its operands that cannot be NULL then.
func notNull(e *ast.Expr) []*ast.Expr {
	out := []*ast.Expr{e}
	switch e.Op {
	case ast.OpNegate, ast.OpCast, ast.OpArith, ast.OpLike:
	case ast.OpCompare:
		if e.Name == "<=>" {
			return out
		}
	case ast.OpIn, ast.OpBetween:
		return append(out, notNull(e.Args[0])...)
	default:
		return out
	}
	for _, a := range e.Args {
		out = append(out, notNull(a)...)
	}
	return out
}
