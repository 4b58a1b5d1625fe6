package expr

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// Compiled is an expression that can be evaluated. Its functions are safe for concurrent use with
// different Envs.
type Compiled struct {
	value.Type
	Eval func(*fold.Env) value.Value
	// Test, if not nil, is Eval as a truth value. Conditions have it.
	Test func(*fold.Env) value.Truth
	// Constant means that Eval does not read the record, so it may be called with an Env without one (fold.Constant).
	Constant bool
	// Unquoted, if not nil, is Eval of a value of JSON whose strings have no quotes.
	Unquoted func(*fold.Env) value.Value
	Source   *ast.Expr
}

// unify returns the type that can hold the results of both branches of COALESCE, IF or CASE. ok is false if no single
// type is obvious.
func unify(a, b value.Type) (t value.Type, ok bool) {
	t.Nullable = a.Nullable || b.Nullable
	switch {
	case a.Kind == value.KindNull:
		b.Nullable = true
		return b, true
	case b.Kind == value.KindNull:
		a.Nullable = true
		return a, true
	case a.Kind == value.KindJSON && b.Kind == value.KindJSON:
		t.Kind = value.KindJSON
	case a.Kind == value.KindJSON:
		return unify(jsonAs(b.Kind), b)
	case b.Kind == value.KindJSON:
		return unify(a, jsonAs(a.Kind))
	case a.Kind == b.Kind:
		t.Kind = a.Kind
	case a.Kind.IsNumber() && b.Kind.IsNumber():
		t.Kind = max(a.Kind, b.Kind)
	default:
		return t, false
	}
	switch t.Kind {
	case value.KindTime:
		t.Scale = max(a.Scale, b.Scale)
	case value.KindDecimal:
		t.Scale = max(a.Scale, b.Scale)
		if a.Scale == value.AnyScale || b.Scale == value.AnyScale {
			t.Scale = value.AnyScale
		}
	case value.KindText:
		if a.MaxChars > 0 && b.MaxChars > 0 {
			t.MaxChars = max(a.MaxChars, b.MaxChars)
		}
		t.Bytes = a.Bytes || b.Bytes
	}
	return t, true
}

// jsonAs returns the type to which a JSON field is converted if the other operand is of kind k.
func jsonAs(k value.Kind) value.Type {
	if k == value.KindInt {
		k = value.KindDecimal
	}
	return value.Type{Kind: k, Nullable: true, Scale: value.AnyScale}
}
