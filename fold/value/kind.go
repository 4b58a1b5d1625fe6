package value

import "github.com/sluice-etl/sluice/row"

// Kind is the kind of an expression's values, which is known before any record is read. It says which fields of a value
// hold it.
type Kind uint8

// The kinds, in the order in which numbers widen: where two of them meet, the result has the later one.
const (
	KindNull    Kind = iota // the literal NULL alone
	KindInt                 // num
	KindDecimal             // num and scale
	KindDouble              // the bits of a binary64 in num.Lo
	KindText                // b
	KindTime                // microseconds since 1970-01-01 UTC in num.Lo
	KindJSON                // a field of a JSON object, in tag and b: only the record says what it holds
)

// String returns the kind as errors name it.
func (k Kind) String() string {
	return [...]string{"NULL", "an integer", "a DECIMAL", "a DOUBLE", "text", "a time", "a JSON field"}[k]
}

// IsNumber reports whether values of this kind are numbers.
func (k Kind) IsNumber() bool { return k == KindInt || k == KindDecimal || k == KindDouble }

// column returns the kind of a table's column that holds such values; for NULL and values of JSON it is text.
func (k Kind) column() row.Kind {
	switch k {
	case KindInt:
		return row.Int
	case KindDecimal:
		return row.Decimal
	case KindDouble:
		return row.Double
	case KindTime:
		return row.Datetime
	}
	return row.Text
}

// Type is an expression's type.
type Type struct {
	Kind     Kind
	Nullable bool // it can be NULL
	// RarelyNull means that it is NULL only for records without a time. Such a value can be part of a key; a record whose
	// value is NULL becomes a dead letter.
	RarelyNull bool
	// Scale is, for KindDecimal, the number of digits after the point that MySQL would show, or AnyScale if it is known
	// only with the value; for KindTime it is the number of digits of the second's fraction, 0 to 6.
	Scale     int
	Precision int // for KindDecimal: the maximum number of digits in total; 0 is no bound
	MaxChars  int // for KindText: the maximum number of characters; 0 is no bound
	// Bytes means, for KindText, that the values are bytes, which need not be UTF-8.
	Bytes bool
}

// Column returns the kind of a table's column that holds values of the type.
func (t Type) Column() row.Kind {
	if t.Kind == KindText && t.Bytes {
		return row.Bytes
	}
	return t.Kind.column()
}

// AnyScale is the scale of a number whose values have different scales, such as a number in JSON.
const AnyScale = -1
