package row

// Declaration is the CREATE TABLE that a query has for one of its targets.
type Declaration struct {
	// SQL is the text of the statement, unchanged. Definitions of more columns and keys can be inserted before byte ListEnd.
	SQL     string
	ListEnd int
	Columns []DeclaredColumn
	Keys    []DeclaredKey
	Engine  string // empty if there is none
}

// DeclaredColumn is a column of a Declaration. Names of types, character sets and collations are in lower case.
type DeclaredColumn struct {
	Name             string
	Type             string // as in the text: INTEGER is not INT
	Unsigned         bool
	Precision, Scale int // of the type: precision (or length) and scale, -1 if there is none
	NotNull          bool
	Null             bool // NULL is written
	// Charset and Collate are those of the column, else those of the table; empty if there is none.
	Charset, Collate string
	Values           []string // of ENUM and SET
	Auto, Default    bool     // AUTO_INCREMENT, and a DEFAULT that is not NULL
	Generated        string   // the expression of a generated column; empty if it is none
	// IsSame reports whether a server's text of the expression is that of Generated, and whether this is known.
	IsSame func(stored string) (same, known bool)
}

// DeclaredKey is a key of a Declaration.
type DeclaredKey struct {
	Unique  bool // PRIMARY KEY or UNIQUE KEY
	Columns []string
}

// Column finds a column by name, ignoring case as MySQL does. It returns nil if there is none.
func (d *Declaration) Column(name string) *DeclaredColumn {
	for i := range d.Columns {
		if equalFold(d.Columns[i].Name, name) {
			return &d.Columns[i]
		}
	}
	return nil
}

// HasUnique reports whether the declaration has a unique key.
func (d *Declaration) HasUnique() bool {
	for i := range d.Keys {
		if d.Keys[i].Unique {
			return true
		}
	}
	return false
}

// DeclarationError is what is wrong with the declaration of a table.
type DeclarationError struct {
	Table  string // its full name
	Column string // empty if it is about the table
	Err    error
}

// Error implements error.
func (e *DeclarationError) Error() string {
	name := e.Table
	if e.Column != "" {
		name += "." + e.Column
	}
	return "CREATE TABLE " + name + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *DeclarationError) Unwrap() error { return e.Err }
