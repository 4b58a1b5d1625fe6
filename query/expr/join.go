package expr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// Joined holds the joined tables of a query. All tables of a statement must be added before it is compiled.
type Joined struct {
	Tables   []*lookup.Table
	declared []*ast.CreateTable // in the same order
}

// Add adds a table, unless it is there. Its error is one of the declaration.
func (j *Joined) Add(d *ast.CreateTable) error {
	if slices.Contains(j.declared, d) {
		return nil
	}
	t := &lookup.Table{Schema: d.Schema, Name: d.Table}
	for i := range d.Columns {
		c, err := tableColumn(&d.Columns[i])
		if err != nil {
			return err
		}
		t.Columns = append(t.Columns, c)
	}
	j.declared, j.Tables = append(j.declared, d), append(j.Tables, t)
	return nil
}

// joinedTypes are the types of JSON_TABLE's columns that stand for others in a joined table.
var joinedTypes = map[string]string{"char": "varchar", "tinytext": "text", "bool": "tinyint", "boolean": "tinyint"}

// tableColumn returns a column as its table declares it.
func tableColumn(d *ast.TableColumn) (lookup.Column, error) {
	e := &ast.ElementColumn{Name: d.Name, Type: d.Type, Unsigned: d.Unsigned, Precision: d.Precision, Scale: d.Scale}
	if same := joinedTypes[d.Type]; same != "" {
		e.Type = same
		if d.Type == "char" && d.Precision == -1 {
			e.Precision = 1
		}
	}
	to, ok := elementTypes[e.Type]
	switch {
	case !ok || to.kind == value.KindJSON:
		return lookup.Column{}, d.Errorf("the type %s is not supported in a joined table: declare only columns of VARCHAR(n), CHAR(n), TEXT, an integer type, DECIMAL(p,s), DOUBLE or DATETIME(n)", declaredType(d))
	case !to.fits(e):
		return lookup.Column{}, d.Errorf("expected %s", to.expected)
	}
	tag := value.TagText
	if to.kind.IsNumber() {
		tag = value.TagNumber
	}
	convert, env := to.converter(e), fold.Constant(time.UTC)
	x := to.of(e)
	x.Nullable = !d.NotNull
	return lookup.Column{Name: d.Name, Type: x, Declared: declaredType(d), Bytewise: isBytewise(d.Collate), Read: func(text []byte) (value.Value, bool) {
		return convert(env, value.Value{Bytes: text, Tag: tag, Set: true})
	}}, nil
}

// declaredType returns the type of a column in SQL.
func declaredType(d *ast.TableColumn) string {
	text := strings.ToUpper(d.Type)
	switch {
	case d.Scale >= 0:
		text += fmt.Sprintf("(%d,%d)", d.Precision, d.Scale)
	case d.Precision >= 0:
		text += fmt.Sprintf("(%d)", d.Precision)
	}
	if d.Unsigned {
		text += " UNSIGNED"
	}
	return text
}

// isBytewise reports whether a collation compares bytes.
func isBytewise(collation string) bool {
	return collation == "binary" || strings.HasSuffix(collation, "_bin")
}

// join compiles JOIN table ON condition. The result adds the columns of the row that the table has for a row of the
// record; a row without one is dropped, or has NULL in these columns with LEFT JOIN.
func (c *Compiler) join(t *ast.Elements) (maker func(next fold.Rows) fold.Rows) {
	slot, at := slices.Index(c.Joined.declared, t.Joined.Table), c.JoinedRows
	table := c.Joined.Tables[slot]
	c.JoinedRows++
	for i := range t.Columns {
		x := Compiled{Type: table.Columns[i].Type, Eval: func(r *fold.Env) value.Value {
			if found := &r.JoinedRows[at]; found.Found() {
				return found.Value(i)
			}
			return value.Null
		}}
		isKey := slices.ContainsFunc(t.Joined.Keys, func(k ast.JoinKey) bool { return k.Column == i })
		x.Nullable = x.Nullable && !isKey || t.Left
		c.Columns = append(c.Columns, x)
	}
	c.checkUnique(t)
	if t.Joined.ByNetwork {
		return c.joinNetwork(t, slot, at)
	}
	var columns []int
	var keys []joinKey
	for _, k := range t.Joined.Keys {
		columns = append(columns, k.Column)
		keys = append(keys, c.joinKey(t, &table.Columns[k.Column], c.Compile(k.Value)))
	}
	if c.Err != nil {
		return nil
	}
	index, left := table.Index(lookup.Index{Columns: columns}), t.Left
	return func(next fold.Rows) fold.Rows {
		return func(r *fold.Env, row func()) {
			found := findRow(r, slot, index, keys)
			if !found.Found() && !left || r.Reason != "" {
				return
			}
			r.JoinedRows[at] = found
			next(r, row)
		}
	}
}

// joinNetwork compiles JOIN table ON IP_IN(address, column). A text that is no address is in no network.
func (c *Compiler) joinNetwork(t *ast.Elements, slot, at int) (maker func(next fold.Rows) fold.Rows) {
	key := t.Joined.Keys[0]
	table := c.Joined.Tables[slot]
	if column := &table.Columns[key.Column]; column.Kind != value.KindText {
		c.failTable(t, "column %s.%s is %s, but IP_IN reads networks from texts such as '10.0.0.0/8': declare a text", t.Name, column.Name, column.Declared)
	}
	x := c.Text(c.unquoted(c.Compile(key.Value)))
	if c.Err != nil {
		return nil
	}
	index, left := table.Index(lookup.Index{Columns: []int{key.Column}, Network: c.Library.ParseNetwork}), t.Left
	parse, eval := c.Library.ParseIP, x.Eval
	return func(next fold.Rows) fold.Rows {
		return func(r *fold.Env, row func()) {
			in, v := &r.Joined[slot], eval(r)
			var found lookup.Row
			if v.Set {
				if room, size, ok := parse(v.Bytes); ok {
					found = in.FindAddress(index, &room, size)
				}
			}
			if !found.Found() {
				in.Unmatched++
			}
			if !found.Found() && !left || r.Reason != "" {
				return
			}
			r.JoinedRows[at] = found
			next(r, row)
		}
	}
}

// findRow returns the row of a joined table for the current row of the record, if there is one.
func findRow(r *fold.Env, slot, index int, keys []joinKey) lookup.Row {
	in := &r.Joined[slot]
	r.JoinKey = r.JoinKey[:0]
	for i := range keys {
		v := keys[i].eval(r)
		if !v.Set {
			in.Unmatched++
			return lookup.Row{}
		}
		r.JoinKey = lookup.AppendKey(r.JoinKey, keys[i].kind, &v)
	}
	found := in.Find(index, r.JoinKey)
	if !found.Found() {
		in.Unmatched++
	}
	return found
}

// checkUnique rejects a condition that several rows could fulfil.
func (c *Compiler) checkUnique(t *ast.Elements) {
	compared := func(column int) bool {
		return slices.ContainsFunc(t.Joined.Keys, func(k ast.JoinKey) bool { return k.Column == column })
	}
	for _, k := range t.Joined.Table.Keys {
		if k.Unique && !slices.ContainsFunc(k.Columns, func(i int) bool { return !compared(i) }) {
			return
		}
	}
	c.failTable(t, "a record could match several rows: the condition must compare all columns of a PRIMARY KEY or UNIQUE KEY that CREATE TABLE %s declares", t.Joined.Table.Table)
}

// joinKey is what a column of a joined table is compared with.
type joinKey struct {
	kind value.Kind
	// eval returns the value in the scale of the column; NULL if no value of the column equals it.
	eval func(r *fold.Env) value.Value
}

// joinKey converts x to the type of a column. Types that MySQL would convert in a way that loses digits are refused, as
// in comparisons.
func (c *Compiler) joinKey(t *ast.Elements, column *lookup.Column, x Compiled) joinKey {
	if x.Kind == value.KindJSON {
		x = c.beside(c.unquoted(x), column.Kind)
	}
	name := t.Name + "." + column.Name
	switch {
	case c.Err != nil:
	case x.Kind == value.KindNull:
		c.Fail(x.Source, "is always NULL, which equals nothing")
	case column.Kind == value.KindDouble:
		c.failTable(t, "column %s is a DOUBLE, which has no exact value to compare: join by another column", name)
	case column.Kind == value.KindText && x.Kind != value.KindText:
		c.Fail(x.Source, "is %s, but the column %s is text: write CAST(%s AS CHAR)", x.Kind, name, x.Source.Text)
	case column.Kind == value.KindTime:
		if x = c.TimeLiteral(x); x.Kind != value.KindTime {
			c.Fail(x.Source, "is %s, but the column %s is a time: write FROM_UNIXTIME(%s) for seconds since 1970", x.Kind, name, x.Source.Text)
		}
	case x.Kind == value.KindDouble:
		c.Fail(x.Source, "is a DOUBLE, but the column %s is an exact number: write CAST(%s AS DECIMAL(p,s))", name, x.Source.Text)
	case column.Kind.IsNumber():
		x = c.Number(x)
	}
	eval := x.Eval
	if !column.Kind.IsNumber() {
		return joinKey{column.Kind, eval}
	}
	scale := column.Scale
	return joinKey{column.Kind, func(r *fold.Env) value.Value {
		v := eval(r)
		if v.Set && int(v.Scale) != scale {
			return rescaled(v, scale)
		}
		return v
	}}
}

// rescaled returns a number with as many digits after the point; NULL if it has others.
func rescaled(v value.Value, scale int) value.Value {
	from, ok := int(v.Scale), false
	if from > scale {
		var rest row.Number
		v.Number, rest = v.Number.QuoRem(row.Pow10(from - scale))
		ok = rest == row.Number{}
	} else {
		v.Number, ok = v.Number.Rescale(from, scale)
	}
	v.Scale, v.Set = uint8(scale), ok
	return v
}
