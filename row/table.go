package row

// Kind is the type of a column's values, and determines their representation in a Cell and in a key.
type Kind uint8

// The kinds. Decimal and Int share one representation: a scaled 128-bit integer.
const (
	Int      Kind = iota // signed integer; 128 bits so that sums cannot overflow in a batch
	Decimal              // exact number, scaled by 10^Column.Scale
	Double               // IEEE 754 binary64; never summed
	Text                 // valid UTF-8, compared by bytes
	Bytes                // any bytes, compared by bytes
	Datetime             // microseconds since 1970-01-01 00:00:00 UTC
)

// Padding is how a column of fixed length changes shorter values.
type Padding uint8

// The paddings. A value that would be read back as another one does not fit the column.
const (
	NoPadding Padding = iota
	PadSpace          // CHAR: trailing spaces are dropped
	PadZero           // BINARY: a value shorter than MaxBytes is padded with zero bytes
)

// Column is one column of a target table.
type Column struct {
	Name string
	Kind Kind
	// Merge defines how the column's values are combined; a column of the key has Key.
	Merge Merge
	// Hidden means that the column is for the server or for us: a Computed column reads it, or it is a state or an order.
	Hidden bool
	// State is the name of the Stateful column from which a Derived column is computed; empty for others.
	State string
	// Order is the name of the column that holds the order of a Selective column's value; empty for others.
	Order string
	// Scale is the number of digits after the point of a Decimal, 0 to 30; values are rounded half away from zero to
	// it before they are added. For Datetime it is the digits of a second's fraction that the column keeps, 0 to 6.
	Scale int
	// KeepScale means that the column must have at least Scale digits after the point, because a Computed column needs the
	// exact sum of the values, not that of rounded ones, or a View compares the times. A time is then a DATETIME.
	KeepScale bool
	// Precision is the total number of digits that a Decimal column accepts; 0 if the table is not bound yet.
	Precision int
	// Nullable means that the column can be NULL. In a unique key of MySQL no two NULLs are equal, so a Nullable column
	// of the key is stored as two others, which KeyNames names.
	Nullable bool
	// MaxBytes and MaxChars bound a Text or Bytes value; 0 means that there is no such bound. MySQL counts VARCHAR in
	// characters and VARBINARY and TEXT in bytes.
	MaxBytes int
	MaxChars int
	// MinInt and MaxInt bound an Int value, inclusive, and a Datetime value in microseconds since 1970-01-01 00:00:00
	// UTC, whose bounds are those of DATETIME if both are 0. Both 0 means the table is not bound yet. A BIGINT
	// UNSIGNED has MaxInt of math.MaxInt64 and takes values up to 2^64 - 1; totals are checked by the server.
	MinInt, MaxInt int64
	// Unsigned means that the column accepts no number below zero.
	Unsigned bool
	// Padding is what a Text or Bytes column does to values that are shorter than the column.
	Padding Padding
	// Charset is the character set of a Text column, in MySQL's name; empty if it holds every character.
	Charset string
}

// Traits returns the traits of the column's Merge.
func (c *Column) Traits() Traits {
	if c.Merge == nil {
		return Key.Traits()
	}
	return c.Merge.Traits()
}

// IsState reports whether the column holds a Stateful merge's state.
func (c *Column) IsState() bool {
	_, ok := c.Merge.(Stateful)
	return ok
}

// Table is a target table as the query writes it.
type Table struct {
	// Name as written in the query, without quotes; Schema is empty for the connection's own database.
	Schema, Name string
	// Columns in the query's order: first every Key column, in key order, then the others.
	Columns []Column
	// Computed are the columns that the server computes from those of its row. Nothing writes them.
	Computed []Computed
	// Keys is the number of Key columns at the head of Columns.
	Keys int
	// Grouped means that rows are merged into existing ones; otherwise they are inserted.
	Grouped bool
	// Version is 0 for a table as it was checked at the start. It is incremented whenever its columns are found to have
	// changed while the process runs. Rows that were folded for one version are never written to another.
	Version int
	// View is the view through which clients read the table; nil if they read the table itself.
	View *View
	// Window is the column of the key by which whole windows can be deleted; nil if there is none.
	Window *Window
	// Declared is the CREATE TABLE of the query, which may lack columns that the query has for itself; nil if there is none.
	Declared *Declaration
}

// View is a view of one table, in the schema of the table.
type View struct {
	Name string
	// SQL is its SELECT. Its result depends on the rows of the table alone, not on the session.
	SQL string
	// Windows means that SQL has window functions, which MySQL has from 8.0, and that the rows of the table are parts of
	// what the view shows: parts that were made for another view must not be shown by it.
	Windows bool
	// IsSame reports whether a server's text of a view is that of SQL. database is the schema of names without one.
	IsSame func(stored, database string) bool
}

// Shown returns the table, or view, that clients read: its name, without columns.
func (t *Table) Shown() Table {
	if t.View == nil {
		return Table{Schema: t.Schema, Name: t.Name}
	}
	return Table{Schema: t.Schema, Name: t.View.Name}
}

// Computed is a column that the server computes whenever it is read: a generated column. It is a DECIMAL.
type Computed struct {
	Name string
	// SQL is the expression, over Columns of the same table. Its result depends on their values alone: neither on the
	// session nor on collations. It has at most Scale digits after the point.
	SQL   string
	Scale int
	// Reads is the names of the columns in SQL.
	Reads []string
	// IsSame reports whether a server's text of a generated column's expression is that of SQL. Servers store expressions
	// in a form of their own.
	IsSame func(stored string) bool
}

// FullName returns schema.name, or name if there is no schema.
func (t *Table) FullName() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Column finds a column by name, ignoring case as MySQL does. It returns nil if there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if equalFold(t.Columns[i].Name, name) {
			return &t.Columns[i]
		}
	}
	return nil
}

// ByPartition reports whether each row of a batch holds records of one partition only (Traits.ByPartition).
func (t *Table) ByPartition() bool {
	for i := range t.Columns {
		if t.Columns[i].Traits().ByPartition {
			return true
		}
	}
	return false
}

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
