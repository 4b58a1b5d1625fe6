package format

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	oracle "github.com/twmb/avro"

	"github.com/sluice-etl/sluice/fold/value"
)

func TestAvro_json(t *testing.T) {
	t.Parallel()
	array := func(items string) string { return `{"type":"array","items":` + items + `}` }
	mapOf := func(values string) string { return `{"type":"map","values":` + values + `}` }
	const decimal = `{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`
	const point = `{"type":"record","name":"P","fields":[{"name":"x","type":"int"},{"name":"y","type":["null","long"]}]}`
	for _, c := range []struct{ typ, hex, want string }{
		{array(`"int"`), "00", "[]"},
		{array(`"int"`), "0402040200", "!avro"},
		{array(`"int"`), "04020400", "[1,2]"},
		{array(`"int"`), "0202020400", "[1,2]"}, // two blocks
		{array(`"int"`), "0304020400", "[1,2]"}, // a block of -2 items and its size
		{array(`"int"`), "03040204020600", "[1,2,3]"},
		{array(`"int"`), "03fe01020400", "[1,2]"}, // the size is for readers that skip the block
		{array(`"int"`), "03", "!avro: expected a value of the schema: field f"},
		{array(`"int"`), "06020400", "!avro"},
		{array(`"int"`), "ffffffffffffffffff01" + "00" + "00", "!avro"},
		{array(`"int"`), "040204", "!avro"},
		{array(`"null"`), "0600", "[null,null,null]"},
		{array(`"null"`), "feffffffffffffffff01" + "00", "!f has more than 100000 values"},
		{array(`{"type":"fixed","name":"Z","size":0}`), "0400", `["",""]`},
		{array(`"boolean"`), "04010000", "[true,false]"},
		{array(`"float"`), "02cdcccc3d00", "[0.1]"},
		{array(`"float"`), "020000c07f00", "!f has a number that is not finite"},
		{array(`"double"`), "029a9999999999b93f00", "[0.1]"},
		{array(`"double"`), "02000000000000f0ff00", "!f has a number that is not finite"},
		{array(`"double"`), "02666666666666fc7b", "!avro"},
		{array(`"string"`), "0404c3a9" + "022200", `["é","\""]`},
		{array(`"bytes"`), "020a" + "41005c80ff" + "00", `["A\u0000\\` + "\u0080ÿ" + `"]`},
		{array(`{"type":"fixed","name":"F","size":2}`), "024142" + "00", `["AB"]`},
		{array(`{"type":"enum","name":"E","symbols":["A","BC"]}`), "04020000", `["BC","A"]`},
		{array(`["null","int","string"]`), "0600" + "0202" + "040278" + "00", `[null,1,"x"]`},
		{array(`{"type":"int","logicalType":"date"}`), "02f88202" + "00", `["2015-05-17"]`},
		{array(`{"type":"int","logicalType":"date"}`), "02ffffffff0f" + "00", "!f has a time that is not between"},
		{array(`{"type":"long","logicalType":"timestamp-millis"}`), "028091ac95ac5300", `["2015-05-17 10:05:03.936+00:00"]`},
		{array(`{"type":"long","logicalType":"timestamp-micros"}`), "020300", `["1969-12-31 23:59:59.999998+00:00"]`},
		{array(`{"type":"long","logicalType":"local-timestamp-millis"}`), "020200", `["1970-01-01 00:00:00.001"]`},
		{array(`{"type":"long","logicalType":"timestamp-millis"}`), "02feffffffffffffffff0100", "!f has a time that is not between"},
		{array(fmt.Sprintf(decimal, 4, 2)), "020404d200", "[12.34]"},
		{array(fmt.Sprintf(decimal, 4, 2)), "0202ff00", "[-0.01]"},
		{array(fmt.Sprintf(decimal, 4, 2)), "0204d8f000", "!f has a decimal without bytes, or of more digits"},
		{array(fmt.Sprintf(decimal, 4, 2)), "020000", "!f has a decimal without bytes"},
		{array(fmt.Sprintf(decimal, 60, 0)), "0220" + "4b3b4ca85a86c47a098a223fffffffff" + "00", "[" + strings.Repeat("9", 38) + "]"},
		{array(fmt.Sprintf(decimal, 60, 0)), "0220" + "4b3b4ca85a86c47a098a224000000000" + "00", "!f has a decimal without bytes, or of more"},
		{mapOf(`"int"`), "00", "{}"},
		{mapOf(`"int"`), "0402610202620400", `{"a":1,"b":2}`},
		{mapOf(`"int"`), "020261020202620400", `{"a":1,"b":2}`},
		{mapOf(`"int"`), "010602610200", `{"a":1}`},
		{mapOf(`"int"`), "02002200", `{"":17}`},
		{mapOf(array(`"int"`)), "0202" + "22" + "020200" + "00", `{"\"":[1]}`},
		{mapOf(`"int"`), "022861", "!avro"},
		{mapOf(`"null"`), "0402610262" + "00", `{"a":null,"b":null}`},
		{point, "020204", `{"x":1,"y":2}`},
		{point, "0200", `{"x":1,"y":null}`},
		{point, "02", "!avro"},
		{`["null",` + point + `]`, "00", "NULL"},
		{`["null",` + point + `]`, "020200", `{"x":1,"y":null}`},
		{`["int","string"]`, "0002", "1"},
		{`["int","string"]`, "020278", `"x"`},
		{`["int","string"]`, "04", "!avro"},
		{`["null","int","string"]`, "00", "NULL"},
		{`["null","int",` + array(`"int"`) + `]`, "04020200", "[1]"},
		{array(array(`"int"`)), "04" + "020200" + "00" + "00", "[[1],[]]"},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got := newReader(t, "avro", avroRecordOf(c.typ), "f").summary(string(b))
		if got != c.want && (!strings.HasPrefix(c.want, "!") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s of %s is %q, expected %q", c.hex, c.typ, got, c.want)
		}
	}
}

// A record can be a column as a whole, and its fields too. A name that continues behind a column of JSON is no column, and
// the reason says how its value is read.
func TestAvro_jsonOfRecords(t *testing.T) {
	t.Parallel()
	via := map[string]any{"ip": "10.0.0.3", "port": nil, "via": nil}
	body := string(avroNestedBody(t, map[string]any{"ip": "10.0.0.2", "port": 81, "via": via}))
	testBodies(t, "avro", avroNested, []bodyCase{
		{"client/ip client client/port", body, `10.0.0.2|{"ip":"10.0.0.2","port":81,"via":{"ip":"10.0.0.3","port":null,"via":null}}|81`},
		{"client/via client/via/via server", body, `{"ip":"10.0.0.3","port":null,"via":null}|NULL|{"ip":"192.0.2.1","port":null,"via":{"ip":"10.0.0.1","port":80,"via":null}}`},
		{"empty list", body, `[null,null]|[{"ip":"10.0.0.1","port":80,"via":null},{"ip":"10.0.0.1","port":80,"via":null}]`},
		{"client client/via server/ip", string(avroNestedBody(t, nil)), "NULL|NULL|192.0.2.1"},
	})
	const empty = `{"type":"record","name":"R","fields":[{"name":"z","type":{"type":"record","name":"Z","fields":[{"name":"n","type":"null"},{"name":"f","type":{"type":"fixed","name":"F","size":0}}]}},
		{"name":"y","type":["null","Z"]},{"name":"n","type":"int"}]}`
	testBodies(t, "avro", empty, []bodyCase{
		{"z z/f y y/f n", "\x02\x04", `{"n":null,"f":""}||{"n":null,"f":""}||2`},
		{"z y y/f n", "\x00\x04", `{"n":null,"f":""}|NULL|NULL|2`},
	})
	testBodies(t, "first-of(avro, json, raw)", avroRecordOf(`{"type":"array","items":"int"}`), []bodyCase{
		{"_format avro/f json/f", "\x02\x02\x00", "avro|[1]|NULL"},
		{"_format avro/f json/f", `{"f":[1]}`, "json|NULL|[1]"},
		{"_format avro/f raw/body", "\x02\x02\x00\x00", "raw|NULL|\x02\x02\x00\x00"},
	})
}

// A column is written as JSON once for each body, however often it is read.
func TestAvro_jsonIsWrittenOnce(t *testing.T) {
	t.Parallel()
	r := newReader(t, "avro", avroRecordOf(`{"type":"array","items":"int"}`), "f", "f")
	for _, want := range []string{"[1]|[1]", "[2]|[2]"} {
		if got := r.summary("\x02" + map[string]string{"[1]|[1]": "\x02", "[2]|[2]": "\x04"}[want] + "\x00"); got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
		if got := string(r.fields.Text); got != want[:3] {
			t.Errorf("the memory of the record holds %q, expected %q once", got, want[:3])
		}
	}
}

// The JSON of a body is bounded, however few bytes the body has.
func TestAvro_hostileJSON(t *testing.T) {
	t.Parallel()
	const tree = `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"array","items":"N"}}]}}}]}`
	deep := newReader(t, "avro", tree, "f")
	for levels, want := range map[int]string{49: `[{"n":[{"n":`, 50: "!f has more than 100 levels", 200: "!f has more than 100 levels", 600: "!avro"} {
		body := strings.Repeat("\x02", levels) + "\x00" + strings.Repeat("\x00", levels)
		if got := deep.summary(body); !strings.HasPrefix(got, want) {
			t.Errorf("%d levels: got %.80s, expected %s", levels, got, want)
		}
	}
	symbol := strings.Repeat("A", 1000)
	long := newReader(t, "avro", avroRecordOf(`{"type":"array","items":{"type":"enum","name":"E","symbols":["`+symbol+`"]}}`), "f")
	for items, want := range map[int]string{10_000: `["A`, 20_000: "!f has more than 16777216 bytes as JSON"} {
		b := []byte(strings.Repeat("\x02\x00", items) + "\x00")
		if got := long.summary(string(b)); !strings.HasPrefix(got, want) {
			t.Errorf("%d symbols: got %.80s, expected %s", items, got, want)
		}
	}
	if got := long.fields.Text; len(got) > 2*maxAvroText {
		t.Errorf("the memory of the record has %d bytes, expected at most twice the maximum", len(got))
	}
	many := newReader(t, "avro", avroRecordOf(`{"type":"array","items":"boolean"}`), "f")
	for items, want := range map[int]string{maxValues - 1: "[true,", maxValues: "!f has more than 100000 values"} {
		if got := many.summary(strings.Repeat("\x02\x01", items) + "\x00"); !strings.HasPrefix(got, want) {
			t.Errorf("%d items: got %.80s, expected %s", items, got, want)
		}
	}
}

// The decoder of JSON texts reads whatever is written, up to the bounds.
func TestAvro_jsonCanBeRead(t *testing.T) {
	t.Parallel()
	r := newReader(t, "avro", avroRecordOf(`{"type":"array","items":"boolean"}`), "f")
	got := r.summary(strings.Repeat("\x02\x01", maxValues-1) + "\x00")
	var j JSONReader
	if d, err := j.Read([]byte(got)); err != nil || d.Length() != maxValues-1 {
		t.Errorf("%.20s: got the error %v and %d items, expected %d", got, err, d.Length(), maxValues-1)
	}
	deep := newReader(t, "avro", `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"array","items":"N"}}]}}}]}`, "f")
	if _, err := j.Read([]byte(deep.summary(strings.Repeat("\x02", 49) + strings.Repeat("\x00", 50)))); err != nil {
		t.Error(err)
	}
}

func TestAvro_jsonAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not be called in a parallel test
	r := newReader(t, "avro", avroNested, "tags", "list", "client", "empty")
	body := avroNestedBody(t, map[string]any{"ip": "10.0.0.2", "port": 81, "via": nil})
	if n := testing.AllocsPerRun(100, func() {
		r.fields.Text = r.fields.Text[:0]
		if more, err := r.parser.Start(body, &r.fields); !more || err != nil {
			t.Fatal(err)
		}
		for _, column := range r.columns {
			column.Read(&r.fields, r.fields.Values[column.Slot])
		}
	}); n != 0 || r.fields.Reason != "" {
		t.Errorf("%v allocations for a record and the reason %q, expected none", n, r.fields.Reason)
	}
}

// avroJSONSchemas are the schemas of FuzzAvroJSON. They have no boolean, for which twmb/avro takes any byte, where the
// specification has 0 and 1.
var avroJSONSchemas = []string{
	avroNested,
	`{"type":"record","name":"A","fields":[{"name":"f","type":{"type":"array","items":["null","int","long","float","double","bytes",{"type":"map","values":"string"},{"type":"array","items":"int"},
		{"type":"enum","name":"E","symbols":["X","Y"]},{"type":"fixed","name":"F","size":2}]}}]}`,
	`{"type":"record","name":"B","fields":[{"name":"f","type":{"type":"map","values":{"type":"record","name":"L","fields":[{"name":"d","type":{"type":"int","logicalType":"date"}},
		{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"n","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},{"name":"l","type":["null","L"]}]}}}]}`,
	`{"type":"record","name":"C","fields":[{"name":"f","type":["null","string",{"type":"array","items":["null","C"]},{"type":"map","values":"long"}]},{"name":"g","type":"int"}]}`,
}

// JSON that we write holds the values that twmb/avro decodes.
func FuzzAvroJSON(f *testing.F) {
	f.Add(uint8(0), avroNestedBody(f, map[string]any{"ip": "10.0.0.2", "port": 81, "via": nil}))
	for i, v := range map[uint8]any{
		1: map[string]any{"f": []any{nil, 1, "X", []byte("b"), map[string]any{"a": "é"}, []any{1, 2}, 1.5}},
		2: map[string]any{"f": map[string]any{"k": map[string]any{"d": 7, "t": time.UnixMicro(1431857103936000), "n": big.NewRat(-12345, 1000), "l": nil}}},
		3: map[string]any{"f": []any{nil, map[string]any{"f": "x", "g": 1}}, "g": 2},
	} {
		b, err := oracle.MustParse(avroJSONSchemas[i]).Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, b)
	}
	f.Add(uint8(1), []byte("\x03\x06\x02\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		schema := avroJSONSchemas[int(which)%len(avroJSONSchemas)]
		var theirs map[string]any
		rest, theirErr := oracle.MustParse(schema).Decode(bytes.Clone(body), &theirs)
		var columns []string
		for name := range avroFieldsOf(t, schema) {
			columns = append(columns, name)
		}
		r := newReader(t, "avro", schema, columns...)
		_, err := r.parser.Start(body, &r.fields)
		if (err == nil) != (theirErr == nil && len(rest) == 0) {
			t.Fatalf("%x of %s: ours says %v, twmb/avro says %v and leaves %d bytes", body, schema, err, theirErr, len(rest))
		}
		if err != nil {
			return
		}
		for i, name := range columns {
			c := r.columns[i]
			v := r.fields.Values[c.Slot]
			if !v.Set {
				if theirs[name] != nil {
					t.Fatalf("%x of %s: %s is NULL, expected %v", body, schema, name, theirs[name])
				}
				continue
			}
			v = c.Read(&r.fields, v)
			if r.fields.Reason != "" { // beyond the bounds, or a number that JSON does not have
				r.fields.Reason, r.fields.Detail = "", ""
				continue
			}
			d := json.NewDecoder(bytes.NewReader(v.Bytes))
			d.UseNumber()
			var ours any
			if err := d.Decode(&ours); err != nil {
				t.Fatalf("%x of %s: %s is %q: %v", body, schema, name, v.Bytes, err)
			}
			if ours, theirs := fmt.Sprintf("%q", jsonShown(ours)), fmt.Sprintf("%q", jsonShown(theirs[name])); ours != theirs {
				t.Fatalf("%x of %s: %s is %s, expected %s", body, schema, name, ours, theirs)
			}
		}
	})
}

// avroFieldsOf returns the outermost fields of a schema that are columns of JSON.
func avroFieldsOf(t *testing.T, schema string) map[string]bool {
	t.Helper()
	f, err := newAvro(schema)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, field := range f.(*avroFormat).schema.fields {
		if of, _ := field.typ.nullable(); of.isNested() {
			fields[field.name] = true
		}
	}
	return fields
}

// jsonShown returns a value with each scalar in one form, whether it was read from JSON or from Avro.
func jsonShown(v any) any {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		m := map[string]any{}
		for name, of := range v {
			m[strings.ToValidUTF8(name, "\ufffd")] = jsonShown(of)
		}
		return m
	case []any:
		var list []any
		for _, of := range v {
			list = append(list, jsonShown(of))
		}
		return list
	case string:
		return strings.Map(func(r rune) rune { return r }, v) // what is no UTF-8 is U+FFFD, as encoding/json reads it
	case []byte:
		var text []rune
		for _, c := range v {
			text = append(text, rune(c))
		}
		return string(text)
	case time.Time:
		if micros := v.UnixMicro(); micros%value.Day == 0 && v.Location() == time.UTC {
			return v.Format("2006-01-02")
		}
		return v.UTC().Format("2006-01-02 15:04:05.000000+00:00")
	case *big.Rat:
		return v.FloatString(3)
	case big.Rat:
		return v.FloatString(3)
	case float32:
		return jsonShown(json.Number(fmt.Sprint(v)))
	case float64:
		return jsonShown(json.Number(fmt.Sprint(v)))
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), "e") {
			return fmt.Sprint(f)
		}
		return v.String()
	}
	return fmt.Sprint(v)
}
