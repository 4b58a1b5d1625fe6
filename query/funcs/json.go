package funcs

import (
	"bytes"
	"errors"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// jsons holds the functions of JSON. Each reads its text again, with memory of the fold.
var jsons = []expr.Function{
	{
		Name: "json_extract", Params: []expr.Param{expr.JSON.Param("json"), expr.Text.Param("path").Const()}, Result: expr.JSON, Compile: jsonExtract,
		Example: "header('json'), '$.a'", Doc: "the value at a path, as JSON; also `json->path`",
	},
	{
		Name: "json_value", Params: []expr.Param{expr.JSON.Param("json"), expr.Text.Param("path").Const()}, Result: expr.Text, Compile: jsonValue,
		Example: "header('json'), '$.a'", Doc: "the text, number, `true` or `false` at a path, as text",
	},
	{
		Name: "json_unquote", Params: []expr.Param{expr.JSON.Param("json")}, Result: expr.Text, Compile: jsonUnquote,
		Example: "header('json')", Doc: "the text of a JSON string; other texts unchanged",
	},
	{
		Name: "json_valid", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: jsonValid,
		Example: "path", Doc: "1 if the text is JSON, otherwise 0",
	},
	{
		Name: "json_type", Params: []expr.Param{expr.JSON.Param("json")}, Result: expr.Text, Compile: jsonType,
		Example: "header('json')", Doc: "`OBJECT`, `ARRAY`, `STRING`, `INTEGER`, `DOUBLE`, `BOOLEAN` or `NULL`",
	},
	{
		Name: "json_length", Params: []expr.Param{expr.JSON.Param("json"), expr.Text.Param("path").Const().Or(0)}, Result: expr.Integer, Compile: jsonLength,
		Example: "header('json')", Doc: "the number of cells or members; 1 for a value that has none",
	},
	{
		Name: "json_contains", Params: []expr.Param{expr.JSON.Param("json"), expr.Text.Param("scalar").Const(), expr.Text.Param("path").Const().Or(0)}, Result: expr.Integer, Compile: jsonContains,
		Example: `header('json'), '"a"'`, Doc: "1 if the value, or a cell of it, is the scalar, otherwise 0",
	},
}

// jsonCall is a call of a function whose first argument is JSON.
type jsonCall struct {
	text func(*fold.Env) value.Value
	name string // for errors
	path []jsonpath.Step
}

// jsonArguments returns the call of a function whose path, if it has one, is the argument of this index.
func jsonArguments(c *expr.Compiler, x expr.Compiled, args []expr.Compiled, path int) *jsonCall {
	j := &jsonCall{text: args[0].Eval, name: x.Source.Text}
	if path < len(args) && args[path].Kind == value.KindText {
		var err error
		if j.path, err = jsonpath.Parse(string(args[path].Eval(nil).Bytes)); err != nil {
			c.Fail(x.Source, "%w", err)
		}
	}
	return j
}

// find returns the value at the path. ok is false if the argument is NULL, if it is not JSON, which makes the record a dead
// letter, or if there is nothing at the path.
func (j *jsonCall) find(r *fold.Env) (d format.JSONDocument, ok bool) {
	v := j.text(r)
	if !v.Set {
		return d, false
	}
	d, err := readJSON(r, v)
	switch {
	case err == nil:
		return d.At(j.path)
	case r.Reason == "":
		r.Fail("%s: expected JSON, got %s", j.name, value.Quote(v.Bytes))
	}
	return d, false
}

// readJSON reads a text. A text with too many values makes the record a dead letter.
func readJSON(r *fold.Env, v value.Value) (format.JSONDocument, error) {
	d, err := r.JSON.Read(v.Bytes)
	if limit, limited := errors.AsType[*format.Error](err); limited {
		r.Fail("%s", limit.Reason)
	}
	return d, err
}

// jsonExtract compiles JSON_EXTRACT. JSON's null is NULL, as in fields of records.
func jsonExtract(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	j := jsonArguments(c, x, args, 1)
	x.Nullable = true
	x.Eval = func(r *fold.Env) value.Value { return j.extract(r, true) }
	x.Unquoted = func(r *fold.Env) value.Value { return j.extract(r, false) }
	return x
}

// extract returns the value at the path as a field of a JSON record is read. quoted keeps the quotes of a string.
func (j *jsonCall) extract(r *fold.Env, quoted bool) value.Value {
	d, ok := j.find(r)
	if !ok {
		return value.Null
	}
	return r.JSON.AppendValue(&r.Fields, d, quoted)
}

// jsonValue compiles JSON_VALUE. MySQL returns objects and arrays as text, MariaDB returns NULL for them.
func jsonValue(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	j := jsonArguments(c, x, args, 1)
	x.Nullable = true
	x.Eval = func(r *fold.Env) value.Value {
		v := j.extract(r, false)
		if v.Set && v.Tag == value.TagOther {
			return r.Fail("%s: the value is an object or an array, which servers treat differently: JSON_EXTRACT returns it", j.name)
		}
		return v
	}
	return x
}

func jsonUnquote(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	eval, name := args[0].Eval, x.Source.Text
	x.MaxChars = args[0].MaxChars
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if b := v.Bytes; !v.Set || len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
			return v
		}
		d, err := readJSON(r, v)
		if err != nil {
			return r.Fail("%s: expected a JSON string, got %s", name, value.Quote(v.Bytes))
		}
		return value.Text(r.JSON.AppendText(&r.Fields, d))
	}
	return x
}

// jsonValid decides by the first byte if it can, because an error of the parser is allocated.
func jsonValid(r *fold.Env, v value.Value) value.Value {
	if b := value.TrimSpace(v.Bytes); len(b) == 0 || b[0]-'0' >= 10 && bytes.IndexByte(jsonBegins, b[0]) < 0 {
		return value.Bool(false)
	}
	_, err := readJSON(r, v)
	return value.Bool(err == nil)
}

var jsonBegins = []byte(`{["-tfn`)

var typeNames = map[value.Tag][]byte{value.TagText: []byte("STRING"), value.TagTrue: []byte("BOOLEAN"), value.TagFalse: []byte("BOOLEAN"), value.TagOther: []byte("OBJECT")}

var (
	typeNull, typeArray                     = []byte("NULL"), []byte("ARRAY")
	typeInteger, typeUnsigned, typeDouble   = []byte("INTEGER"), []byte("UNSIGNED INTEGER"), []byte("DOUBLE")
	minInteger, maxInteger, maxUnsignedJSON = row.FromInt(-1 << 63), row.FromInt(1<<63 - 1), row.Number{Lo: 1<<64 - 1}
)

func jsonType(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	j := jsonArguments(c, x, args, 1)
	x.MaxChars = len("UNSIGNED INTEGER")
	x.Eval = func(r *fold.Env) value.Value {
		d, ok := j.find(r)
		if !ok {
			return value.Null
		}
		tag, set := d.Tag()
		switch {
		case !set:
			return value.Text(typeNull)
		case tag == value.TagNumber:
			return value.Text(numberType(r.JSON.AppendText(&r.Fields, d)))
		case d.IsArray():
			return value.Text(typeArray)
		}
		return value.Text(typeNames[tag])
	}
	return x
}

// numberType returns the type that a number has in MySQL. In MariaDB, all integers are INTEGER.
func numberType(b []byte) []byte {
	for _, c := range b {
		if c == '.' || c|0x20 == 'e' {
			return typeDouble
		}
	}
	n, _, ok := value.ParseDecimal(b)
	switch {
	case !ok || n.Compare(minInteger) < 0 || n.Compare(maxUnsignedJSON) > 0:
		return typeDouble
	case n.Compare(maxInteger) > 0:
		return typeUnsigned
	}
	return typeInteger
}

func jsonLength(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	j := jsonArguments(c, x, args, 1)
	x.Nullable = x.Nullable || j.path != nil
	x.Eval = func(r *fold.Env) value.Value {
		d, ok := j.find(r)
		if !ok {
			return value.Null
		}
		return value.Int(int64(d.Length()))
	}
	return x
}

// jsonContains takes only a scalar, because MySQL and MariaDB compare objects and arrays in different ways.
func jsonContains(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	j := jsonArguments(c, x, args, 2)
	text := args[1].Eval(nil).Bytes
	scalar, err := new(format.JSONReader).Read(text)
	if err != nil {
		return c.Fail(args[1].Source, `is not JSON: write '"text"' with both quotes for a text`)
	}
	if tag, _ := scalar.Tag(); tag == value.TagOther {
		return c.Fail(args[1].Source, "is an object or an array, which servers compare differently: write JSON_CONTAINS for each text or number, with AND")
	}
	x.Nullable = x.Nullable || j.path != nil
	x.Eval = func(r *fold.Env) value.Value {
		d, ok := j.find(r)
		if !ok {
			return value.Null
		}
		return value.Bool(r.JSON.Has(d, scalar))
	}
	return x
}
