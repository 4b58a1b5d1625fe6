package parse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// IsCreate reports whether a statement begins with CREATE.
func (s Source) IsCreate() bool {
	all := tokens(s.original)
	return len(all) > 0 && all[0].text == "create"
}

// Declaration parses CREATE TABLE with everything that the SQL parser takes. Its errors are those of [Statement].
func Declaration(source Source) (t *ast.CreateTable, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("the SQL parser failed on this statement (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse(source.Text)
	if err != nil {
		return nil, source.syntaxError(err)
	}
	ddl, ok := tree.(*sqlparser.DDL)
	if !ok || ddl.Action != sqlparser.CreateStr || ddl.TableSpec == nil || ddl.OptLike != nil || ddl.OptSelect != nil || ddl.OrReplace || ddl.Temporary {
		return nil, errors.New("expected CREATE TABLE name (columns)")
	}
	text, at := normalText(ddl)
	t, err = at.createTable(ddl)
	if err != nil {
		return nil, source.Locate(text, err)
	}
	t.Text = text
	t.Original, t.ListEnd = source.list()
	return t, nil
}

// list returns the text of a CREATE TABLE, without the comments around it that no server reads, and where its first list in
// parentheses ends.
func (s Source) list() (text string, end int) {
	all := tokens(s.original)
	last := all[len(all)-1].to
	for i := last; i < len(s.original); {
		n, _ := piece(s.original[i:])
		if strings.HasPrefix(s.original[i:], "/*") { // it may be text for some servers
			last = i + n
		}
		i += n
	}
	text = s.original[all[0].from:last]
	depth := 0
	for _, t := range all {
		switch t.text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return text, t.from - all[0].from
			}
		}
	}
	return text, len(text)
}

// Name returns the place of the table's name in the text of the query.
func (s Source) Name() (from, to int) {
	from, to = -1, 0
	words := []string{"create", "table", "if", "not", "exists"}
	for i, t := range tokens(s.original) {
		switch {
		case t.text == "(":
			return s.offset + from, s.offset + to
		case from >= 0 || i >= len(words) || t.text != words[i]:
			if from < 0 {
				from = t.from
			}
			to = t.to
		}
	}
	return s.offset + max(from, 0), s.offset + to
}

// Rename gives the table of a CREATE TABLE, which was parsed from s, another name in the same schema.
func (s Source) Rename(t *ast.CreateTable, name string) {
	before := s.offset + tokens(s.original)[0].from
	from, to := s.Name()
	from, to = from-before, to-before
	t.Table = name
	written := "`" + strings.ReplaceAll(name, "`", "``") + "`"
	if t.Schema != "" {
		written = "`" + strings.ReplaceAll(t.Schema, "`", "``") + "`." + written
	}
	t.Original = t.Original[:from] + written + t.Original[to:]
	t.ListEnd += len(written) - (to - from)
}

func (p places) createTable(ddl *sqlparser.DDL) (*ast.CreateTable, error) {
	t := &ast.CreateTable{Schema: ddl.Table.DbQualifier.String(), Table: ddl.Table.Name.String()}
	spec := ddl.TableSpec
	t.Others = len(spec.Constraints) > 0 || spec.PartitionOpt != nil
	for _, o := range spec.TableOpts {
		switch value := strings.ToLower(o.Value); strings.ToLower(o.Name) {
		case "engine":
			t.Engine = o.Value
		case "character set":
			t.Charset = value
		case "collate":
			t.Collate = value
		}
	}
	for _, d := range spec.Columns {
		if err := p.tableColumn(t, d); err != nil {
			return nil, err
		}
	}
	for _, d := range spec.Indexes {
		if d.Info.Spatial || d.Info.Fulltext || d.Info.Vector {
			return nil, p.at(d, fmt.Errorf("expected PRIMARY KEY, UNIQUE KEY or KEY, got %s: leave it out", strings.ToUpper(d.Info.Type)))
		}
		k := ast.TableKey{Name: d.Info.Name.String(), Primary: d.Info.Primary, Unique: d.Info.Unique}
		for _, c := range d.Columns {
			i := t.Column(c.Column.String())
			switch {
			case i < 0:
				return nil, p.at(d, fmt.Errorf("the key has the column %s, which the table does not declare", c.Column))
			case c.Length != nil && k.Unique:
				return nil, p.at(d, fmt.Errorf("column %s: a unique key of the beginning of a text is not supported: leave the length out", c.Column))
			}
			k.Columns = append(k.Columns, i)
		}
		if err := addKey(t, k); err != nil {
			return nil, p.at(d, err)
		}
	}
	return t, nil
}

func (p places) tableColumn(t *ast.CreateTable, d *sqlparser.ColumnDefinition) error {
	c := ast.TableColumn{
		Name: d.Name.String(), Type: strings.ToLower(d.Type.Type), Unsigned: bool(d.Type.Unsigned), NotNull: bool(d.Type.NotNull),
		Precision: number(d.Type.Length), Scale: number(d.Type.Scale), Charset: strings.ToLower(d.Type.Charset), Collate: strings.ToLower(d.Type.Collate),
		Text: sqlparser.String(d), From: p[d][0], To: p[d][1],
	}
	if d.Type.Comment != nil {
		c.Comment = string(d.Type.Comment.Val)
	}
	if t.Column(c.Name) >= 0 {
		return c.Errorf("it is declared twice")
	}
	_, null := d.Type.Default.(*sqlparser.NullVal)
	c.Values, c.Auto, c.Null = d.Type.EnumValues, bool(d.Type.Autoincrement), bool(d.Type.Null)
	c.Default = d.Type.Default != nil && !null
	c.Others = null || d.Type.OnUpdate != nil || d.Type.ForeignKeyDef != nil || d.Type.Constraint != nil || bool(d.Type.Zerofill) || d.Type.BinaryCollate || d.Type.SRID != nil
	if d.Type.GeneratedExpr != nil {
		c.Generated = sqlparser.String(d.Type.GeneratedExpr)
	}
	t.Columns = append(t.Columns, c)
	k := ast.TableKey{Columns: []int{len(t.Columns) - 1}, Primary: d.Type.KeyOpt == primaryKey}
	k.Unique = k.Primary || d.Type.KeyOpt == unique || d.Type.KeyOpt == uniqueKey
	if d.Type.KeyOpt == noKey {
		return nil
	}
	if !k.Unique {
		return c.Errorf("expected PRIMARY KEY or UNIQUE KEY: leave other keys out")
	}
	if err := addKey(t, k); err != nil {
		return c.Errorf("%w", err)
	}
	return nil
}

// addKey adds a key. The columns of a primary key are NOT NULL.
func addKey(t *ast.CreateTable, k ast.TableKey) error {
	if k.Primary && slices.ContainsFunc(t.Keys, func(o ast.TableKey) bool { return o.Primary }) {
		return errors.New("a second PRIMARY KEY: further keys are UNIQUE KEY")
	}
	if k.Primary {
		for _, i := range k.Columns {
			t.Columns[i].NotNull = true
		}
	}
	t.Keys = append(t.Keys, k)
	return nil
}

// The parser's numbers of what follows a column, which it does not export.
const (
	noKey      sqlparser.ColumnKeyOption = 0
	primaryKey sqlparser.ColumnKeyOption = 1
	unique     sqlparser.ColumnKeyOption = 3
	uniqueKey  sqlparser.ColumnKeyOption = 4
)
