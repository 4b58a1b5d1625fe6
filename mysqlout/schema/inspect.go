package schema

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// found is a table as information_schema describes it.
type found struct {
	engine  string // empty if there is no such table
	kind    string // BASE TABLE, VIEW
	columns []column
	uniques map[string][]indexPart // unique keys by name
	others  map[string][]string    // columns of the other keys, by name
	rejecting
	triggers   []trigger
	filled     bool   // the table holds rows; it is known only where findings depend on it
	hidden     bool   // the user may lack the privilege to see triggers
	definition string // as Definition reads it, empty in the embedded database
}

// trigger is a trigger of a table.
type trigger struct {
	name, timing, event string // timing is BEFORE or AFTER, event INSERT, UPDATE or DELETE
	body, mode          string // mode is the sql_mode under which the body was read
}

type column struct {
	name, dataType, columnType string
	rawType                    string // columnType with the case of its texts
	defaultText, comment       string // the default as ALTER TABLE takes it, empty for none
	nullable, hasDefault       bool
	auto, generated            bool
	generation                 string // the expression of a generated column, as the server shows it
	invisible                  bool
	onUpdate                   bool // ON UPDATE CURRENT_TIMESTAMP
	charset, collation         string
	characters, bytes          int64
	precision, scale           int64
	fraction                   int64 // digits of a DATETIME's fraction
	primary                    bool
}

type indexPart struct {
	column string // empty for an expression
	prefix bool   // not the whole column
}

func (f *found) column(name string) *column {
	for i := range f.columns {
		if strings.EqualFold(f.columns[i].name, name) {
			return &f.columns[i]
		}
	}
	return nil
}

// whereTable returns the condition on the columns schema and name of information_schema that selects a table.
func whereTable(t *row.Table, schema, name string) string {
	w := " WHERE " + schema + " = "
	if t.Schema == "" {
		w += "DATABASE()"
	} else {
		w += string(sqltext.AppendText(nil, t.Schema))
	}
	return w + " AND " + name + " = " + string(sqltext.AppendText(nil, t.Name))
}

// readTriggers reads a table's triggers, in order of name. A user without the TRIGGER privilege sees none.
func readTriggers(ctx context.Context, tx *pool.Tx, t *row.Table) (out []trigger, err error) {
	err = tx.Query(ctx, "SELECT trigger_name, action_timing, event_manipulation, action_statement, sql_mode FROM information_schema.triggers"+
		whereTable(t, "event_object_schema", "event_object_table")+" ORDER BY trigger_name", func(scan func(...any) error) error {
		var r trigger
		err := scan(&r.name, &r.timing, &r.event, &r.body, &r.mode)
		out = append(out, r)
		return err
	})
	return out, err
}

// inspect reads the description of a table.
func inspect(ctx context.Context, tx *pool.Tx, t *row.Table) (*found, error) {
	where := func(schema, name string) string { return whereTable(t, schema, name) }
	f := &found{uniques: map[string][]indexPart{}, others: map[string][]string{}}
	err := tx.Query(ctx, "SELECT table_type, engine FROM information_schema.tables"+where("table_schema", "table_name"),
		func(scan func(...any) error) error {
			var engine sql.NullString
			err := scan(&f.kind, &engine)
			f.engine = engine.String
			if f.engine == "" {
				f.engine = "none"
			}
			return err
		})
	if err != nil || f.engine == "" {
		return f, err
	}
	err = tx.Query(ctx, "SELECT column_name, data_type, column_type, is_nullable, column_default IS NOT NULL, extra, "+
		"character_set_name, collation_name, character_maximum_length, character_octet_length, numeric_precision, "+
		"numeric_scale, datetime_precision, column_key, column_default, column_comment, generation_expression FROM information_schema.columns"+where("table_schema", "table_name")+
		" ORDER BY ordinal_position",
		func(scan func(...any) error) error {
			var c column
			var nullable, extra, key string
			var charset, collation sql.NullString
			var characters, bytes, precision, scale, fraction sql.NullInt64
			var byDefault, comment, generation sql.NullString
			if err := scan(&c.name, &c.dataType, &c.columnType, &nullable, &c.hasDefault, &extra, &charset, &collation,
				&characters, &bytes, &precision, &scale, &fraction, &key, &byDefault, &comment, &generation); err != nil {
				return err
			}
			c.rawType, c.comment = c.columnType, comment.String
			c.dataType, c.columnType, extra = strings.ToLower(c.dataType), strings.ToLower(c.columnType), strings.ToLower(extra)
			c.nullable = nullable == "YES"
			if byDefault.Valid {
				c.defaultText = defaultText(tx.Server, byDefault.String, extra)
			}
			c.auto = strings.Contains(extra, "auto_increment")
			c.onUpdate = strings.Contains(extra, "on update")
			c.generated = strings.Contains(extra, "virtual") || strings.Contains(extra, "stored") || strings.Contains(extra, "persistent")
			c.generation, c.invisible = generation.String, strings.Contains(extra, "invisible")
			c.charset, c.collation = charset.String, collation.String
			c.characters, c.bytes, c.precision, c.scale = characters.Int64, bytes.Int64, precision.Int64, scale.Int64
			c.fraction, c.primary = fraction.Int64, key == "PRI"
			f.columns = append(f.columns, c)
			return nil
		})
	if err != nil {
		return f, err
	}
	if tx.Server.Dialect == pool.Embedded {
		// The embedded database has no statistics, so only the primary key is visible.
		for _, c := range f.columns {
			if c.primary {
				f.uniques["PRIMARY"] = append(f.uniques["PRIMARY"], indexPart{column: c.name})
			}
		}
		return f, nil
	}
	err = tx.Query(ctx, "SELECT index_name, column_name, sub_part IS NOT NULL, non_unique <> 0 FROM information_schema.statistics"+
		where("table_schema", "table_name")+" ORDER BY index_name, seq_in_index",
		func(scan func(...any) error) error {
			var name string
			var col sql.NullString
			var part indexPart
			var repeats bool
			if err := scan(&name, &col, &part.prefix, &repeats); err != nil {
				return err
			}
			if repeats {
				f.others[name] = append(f.others[name], col.String)
				return nil
			}
			part.column = col.String
			f.uniques[name] = append(f.uniques[name], part)
			return nil
		})
	if err != nil {
		return f, err
	}
	if err := f.readRejecting(ctx, tx, where); err != nil {
		return f, err
	}
	f.triggers, err = readTriggers(ctx, tx, t)
	return f, err
}

// variables reads global variables. The result omits those that the server does not have.
func variables(ctx context.Context, tx *pool.Tx, names ...string) (map[string]string, error) {
	out := map[string]string{}
	var list []string
	for _, n := range names {
		list = append(list, "'"+n+"'")
	}
	err := tx.Query(ctx, fmt.Sprintf("SHOW GLOBAL VARIABLES WHERE Variable_name IN (%s)", strings.Join(list, ", ")),
		func(scan func(...any) error) error {
			var name, value string
			err := scan(&name, &value)
			out[strings.ToLower(name)] = value
			return err
		})
	return out, err
}
