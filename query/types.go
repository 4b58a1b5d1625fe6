package query

// kind is what an expression yields, known when it is compiled.
type kind uint8

const (
	kNull kind = iota // the literal NULL alone
	kInt
	kDecimal
	kDouble
	kText
	kTime
	kJSON // a JSON field: what it holds is known at run time, what is wanted of it by its surroundings
)

func (k kind) String() string {
	return [...]string{"NULL", "an integer", "a DECIMAL", "a DOUBLE", "text", "a time", "a JSON field"}[k]
}

func (k kind) number() bool { return k == kInt || k == kDecimal || k == kDouble }

// typ is an expression's type.
type typ struct {
	kind kind
	null bool // it can be NULL
	// rareNull says that it is NULL only for records without a time. Such a value can be a key, and the rare record is a
	// dead letter.
	rareNull bool
	scale    int // of a kDecimal: digits after the point that MySQL would show, anyScale where only the value says; of a kTime: digits of the second's fraction
	prec     int // of a kDecimal: digits in all, 0 where not bounded
	chars    int // of a kText: at most so many characters, 0 where not bounded
}

// anyScale is the scale of a JSON number.
const anyScale = -1

// defaultScale is the scale of the column made for a decimal of anyScale.
const defaultScale = 6

// compiled is an expression ready to run.
type compiled struct {
	typ
	eval func(*rec) value
	// test, where not nil, is eval as a truth value: conditions are asked for it.
	test func(*rec) tri
	// constant says that eval does not look at the record; it may be called with a nil rec then.
	constant bool
	src      *expr
}

// unify finds the type that can hold both branches of COALESCE, IF or CASE; ok is false where a person has to say.
func unify(a, b typ) (t typ, ok bool) {
	t.null = a.null || b.null
	switch {
	case a.kind == kNull:
		b.null = true
		return b, true
	case b.kind == kNull:
		a.null = true
		return a, true
	case a.kind == kJSON && b.kind == kJSON:
		t.kind = kJSON
	case a.kind == kJSON:
		return unify(jsonAs(b.kind), b)
	case b.kind == kJSON:
		return unify(a, jsonAs(a.kind))
	case a.kind == b.kind:
		t.kind = a.kind
	case a.kind.number() && b.kind.number():
		t.kind = max(a.kind, b.kind)
	default:
		return t, false
	}
	switch t.kind {
	case kTime:
		t.scale = max(a.scale, b.scale)
	case kDecimal:
		t.scale = max(a.scale, b.scale)
		if a.scale == anyScale || b.scale == anyScale {
			t.scale = anyScale
		}
	case kText:
		if a.chars > 0 && b.chars > 0 {
			t.chars = max(a.chars, b.chars)
		}
	}
	return t, true
}

// jsonAs is the type that a JSON field takes on beside a value of kind k.
func jsonAs(k kind) typ {
	if k == kInt {
		k = kDecimal
	}
	return typ{kind: k, null: true, scale: anyScale}
}
