package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	oracle "github.com/twmb/avro"

	"github.com/sluice-etl/sluice/fold/value"
)

// testSchemas are the schemas of a registry by ID.
type testSchemas map[uint32]RegisteredSchema

func (s testSchemas) Schema(id uint32) (RegisteredSchema, bool) {
	r, ok := s[id]
	return r, ok
}

// framed returns a body of a writer's schema.
func framed(id uint32, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), value...)
}

// newFramedReader returns a reader of the columns of a schema, whose bodies are written with others.
func newFramedReader(t testing.TB, schemas Schemas, schema string, columns ...string) *reader {
	t.Helper()
	r := newReader(t, "avro_confluent", schema)
	f, err := New("avro_confluent", schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		column, ok := f.Column(strings.Split(c, "/"))
		if !ok {
			t.Fatalf("%s has no column %s", schema, c)
		}
		r.columns = append(r.columns, column)
	}
	f.(RegistryFormat).UseSchemas(schemas)
	slots := 0
	r.parser, slots = f.NewParser()
	r.fields.Values = make([]value.Value, slots)
	return r
}

func record(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }

func field(name, typ string, more ...string) string {
	return `{"name":"` + name + `","type":` + typ + strings.Join(more, "") + `}`
}

// A value is that of the field of the same name, as Avro resolves the writer's schema to ours.
func TestConfluent_resolution(t *testing.T) {
	t.Parallel()
	const enum = `{"type":"enum","name":"E","symbols":["A","B"]}`
	const millis, micros = `{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-micros"}`
	decimal := func(precision, scale int) string {
		return fmt.Sprintf(`{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, precision, scale)
	}
	for _, c := range []struct {
		name, writer, reader string
		value                map[string]any
		columns, want        string
	}{
		{"the same", record(field("a", `"int"`)), record(field("a", `"int"`)), map[string]any{"a": 7}, "a", "7"},
		{"other order, and a field that is not read", record(field("x", `"string"`) + "," + field("b", `"string"`) + "," + field("a", `"int"`)), record(field("a", `"int"`) + "," + field("b", `"string"`)),
			map[string]any{"a": 7, "b": "z", "x": "xyz"}, "a b", "7|z"},
		{"a missing field", record(field("a", `"int"`)), record(field("b", `"string"`, `,"default":"none"`) + "," + field("a", `"int"`)), map[string]any{"a": 7}, "a b", "7|none"},
		{"a missing field that is null", record(field("a", `"int"`)), record(field("b", `["null","string"]`, `,"default":null`) + "," + field("a", `"int"`)), map[string]any{"a": 7}, "a b", "7|NULL"},
		{"a missing field without default", record(field("a", `"int"`)), record(field("b", `"string"`) + "," + field("a", `"int"`)), map[string]any{"a": 7}, "a b", "!avro_confluent: the schema with which the body is written does not fit option 'avro-schema' (schema 1: field b is missing, and has no default"},
		{"a missing field without default that is not read", record(field("a", `"int"`)), record(field("b", `"string"`) + "," + field("a", `"int"`)), map[string]any{"a": 7}, "a", "7"},
		{"a missing number and a missing decimal", record(field("a", `"int"`)), record(field("b", `"double"`, `,"default":1.5`) + "," + field("c", decimal(5, 2), `,"default":"\u0004\u00d2"`) + "," + field("d", enum, `,"default":"B"`)), map[string]any{"a": 7}, "b c d", "1.5|12.34|B"},
		{"an alias", record(field("old", `"int"`)), record(field("a", `"int"`, `,"aliases":["old"]`)), map[string]any{"old": 7}, "a", "7"},
		{"int as long", record(field("a", `"int"`)), record(field("a", `"long"`)), map[string]any{"a": -7}, "a", "-7"},
		{"long as double", record(field("a", `"long"`)), record(field("a", `"double"`)), map[string]any{"a": int64(-7)}, "a", "-7"},
		{"int as float", record(field("a", `"int"`)), record(field("a", `"float"`)), map[string]any{"a": 16777217}, "a", "1.6777216e+07"},
		{"float as double", record(field("a", `"float"`)), record(field("a", `"double"`)), map[string]any{"a": float32(1.25)}, "a", "1.25"},
		{"bytes as string", record(field("a", `"bytes"`)), record(field("a", `"string"`)), map[string]any{"a": []byte("x")}, "a", "x"},
		{"long as int", record(field("a", `"long"`)), record(field("a", `"int"`)), map[string]any{"a": int64(7)}, "a", "!avro_confluent: the schema with which"},
		{"string as int", record(field("a", `"string"`)), record(field("a", `"int"`)), map[string]any{"a": "7"}, "a", "!avro_confluent: the schema with which"},
		{"nullable now", record(field("a", `"int"`)), record(field("a", `["null","long"]`)), map[string]any{"a": 7}, "a", "7"},
		{"not nullable any more", record(field("a", `["null","int"]`)), record(field("a", `"long"`)), map[string]any{"a": 7}, "a", "7"},
		{"not nullable any more, and null", record(field("a", `["null","int"]`)), record(field("a", `"long"`)), map[string]any{"a": nil}, "a", "!avro_confluent: expected a value of the schema with which the body is written: field a is cut short"},
		{"one type of several", record(field("a", `["null","string","int"]`)), record(field("a", `["null","string"]`)), map[string]any{"a": "x"}, "a", "x"},
		{"another type of several", record(field("a", `["null","string","int"]`)), record(field("a", `["null","string"]`)), map[string]any{"a": 7}, "a", "!avro_confluent: expected a value of the schema with which the body is written: field a is cut short"},
		{"a symbol", record(field("a", enum)), record(field("a", enum)), map[string]any{"a": "B"}, "a", "B"},
		{"a new symbol", record(field("a", `{"type":"enum","name":"E","symbols":["C","B","A"]}`)), record(field("a", `{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`)), map[string]any{"a": "C"}, "a", "A"},
		{"a known symbol with another number", record(field("a", `{"type":"enum","name":"E","symbols":["C","B","A"]}`)), record(field("a", `{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`)), map[string]any{"a": "B"}, "a", "B"},
		{"another unit of time", record(field("a", millis)), record(field("a", micros)), map[string]any{"a": time.UnixMilli(5)}, "a", "!avro_confluent: the schema with which"},
		{"a number as a time", record(field("a", `"long"`)), record(field("a", millis)), map[string]any{"a": int64(5)}, "a", "!avro_confluent: the schema with which"},
		{"a time as a number", record(field("a", millis)), record(field("a", `"long"`)), map[string]any{"a": time.UnixMilli(5)}, "a", "5"},
		{"another scale", record(field("a", decimal(9, 2))), record(field("a", decimal(9, 3))), map[string]any{"a": big.NewRat(5, 100)}, "a", "!avro_confluent: the schema with which"},
		{"a field of a record", record(field("r", `{"type":"record","name":"I","fields":[{"name":"x","type":"string"},{"name":"y","type":"int"}]}`)), record(field("r", `{"type":"record","name":"I","fields":[{"name":"y","type":"long"},{"name":"z","type":"string","default":"zz"}]}`)),
			map[string]any{"r": map[string]any{"x": "x", "y": 7}}, "r/y r/z", "7|zz"},
		{"a record that is null has no defaults", record(field("r", `["null",{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}]`)), record(field("r", `["null",{"type":"record","name":"I","fields":[{"name":"z","type":"string","default":"zz"}]}]`)),
			map[string]any{"r": nil}, "r/z", "NULL"},
		{"a record without fields has defaults", record(field("r", `{"type":"record","name":"I","fields":[]}`)), record(field("r", `{"type":"record","name":"I","fields":[{"name":"z","type":"string","default":"zz"}]}`)),
			map[string]any{"r": map[string]any{}}, "r/z", "zz"},
		{"an array whose items have another field", record(field("l", `{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"y","type":"string"},{"name":"x","type":"int"}]}}`)), record(field("l", `{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"x","type":"long"}]}}`)),
			map[string]any{"l": []any{map[string]any{"x": 7, "y": "yy"}}}, "l", `[{"y":"yy","x":7}]`},
		{"a map as an array", record(field("l", `{"type":"map","values":"int"}`)), record(field("l", `{"type":"array","items":"int"}`)), map[string]any{"l": map[string]any{}}, "l", "!avro_confluent: the schema with which"},
		{"an array that can be null now", record(field("l", `{"type":"array","items":"int"}`)), record(field("l", `["null",{"type":"array","items":"int"}]`)), map[string]any{"l": []int{7}}, "l", "[7]"},
		{"an array that cannot be null any more", record(field("l", `["null",{"type":"array","items":"int"}]`)), record(field("l", `{"type":"array","items":"int"}`)), map[string]any{"l": []int{7}}, "l", "[7]"},
		{"an array that is null and cannot be", record(field("l", `["null",{"type":"array","items":"int"}]`)), record(field("l", `{"type":"array","items":"int"}`)), map[string]any{"l": nil}, "l", "!avro_confluent: expected a value of the schema"},
		{"a missing array", record(field("a", `"int"`)), record(field("l", `{"type":"array","items":"int"}`, `,"default":[1,2]`)), map[string]any{"a": 7}, "l", "[1,2]"},
		{"a union of several", record(field("u", `["string",{"type":"array","items":"string"},"int"]`)), record(field("u", `["int",{"type":"array","items":"int"},"string"]`)), map[string]any{"u": []string{"x"}}, "u", `["x"]`},
		{"a union of several, and a number", record(field("u", `["string",{"type":"array","items":"string"},"int"]`)), record(field("u", `["int",{"type":"array","items":"int"},"string"]`)), map[string]any{"u": 7}, "u", "7"},
		{"a union of several, and none of its types", record(field("u", `["string","double"]`)), record(field("u", `["int","string"]`)), map[string]any{"u": 1.5}, "u", "!avro_confluent: expected a value of the schema"},
		{"a number as a union of several", record(field("u", `"int"`)), record(field("u", `["string","long"]`)), map[string]any{"u": 7}, "u", "7"},
		{"a union of several with null", record(field("u", `["null","string","int"]`)), record(field("u", `["null","int","string"]`)), map[string]any{"u": nil}, "u", "NULL"},
		{"a union of several without null, and null", record(field("u", `["null","string","int"]`)), record(field("u", `["int","string"]`)), map[string]any{"u": nil}, "u", "!avro_confluent: expected a value of the schema"},
		{"a record and its field", record(field("r", `{"type":"record","name":"I","fields":[{"name":"x","type":"string"},{"name":"y","type":"int"}]}`)), record(field("r", `{"type":"record","name":"I","fields":[{"name":"y","type":"long"},{"name":"z","type":"string","default":"zz"}]}`)),
			map[string]any{"r": map[string]any{"x": "x", "y": 7}}, "r/y r/z r", `7|zz|{"x":"x","y":7}`},
		{"an array that is not read", record(field("l", `{"type":"array","items":"string"}`) + "," + field("a", `"int"`)), record(field("a", `"int"`)), map[string]any{"l": []string{"a", "b"}, "a": 7}, "a", "7"},
	} {
		encoded, err := oracle.MustParse(c.writer).Encode(c.value)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r := newFramedReader(t, testSchemas{1: {Text: c.writer}}, c.reader, strings.Fields(c.columns)...)
		got := r.summary(string(framed(1, encoded)))
		if got != c.want && (!strings.HasPrefix(c.want, "!") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: got %q, expected %q", c.name, got, c.want)
		}
	}
}

// A body names its schema. What the registry does not have is a reason, and what is not read yet is none.
func TestConfluent_bodies(t *testing.T) {
	t.Parallel()
	schemas := testSchemas{
		1:          {Text: record(field("a", `"int"`))},
		2:          {Text: record(field("b", `"string"`) + "," + field("a", `"int"`))},
		3:          {Missing: "schema not found"},
		4:          {Text: "{"},
		5:          {Text: record(field("a", `"Other"`)), References: []string{`{"type":"enum","name":"Other","symbols":["X"]}`}},
		1<<32 - 1:  {Text: record(field("a", `"int"`))},
		0x01020304: {Text: record(field("a", `"int"`))},
	}
	r := newFramedReader(t, schemas, record(field("a", `"int"`)), "a")
	for range 2 { // what is known of a schema is kept
		for _, c := range []struct{ body, want string }{
			{"\x00\x00\x00\x00\x01\x0e", "7"},
			{"\x00\x00\x00\x00\x02\x02x\x0e", "7"},
			{"\x00\x00\x00\x00\x01\x0e", "7"},
			{"\x00\x01\x02\x03\x04\x0e", "7"},
			{"\x00\xff\xff\xff\xff\x0e", "7"},
			{"\x00\x00\x00\x00\x01", "!avro_confluent: expected a value of the schema with which the body is written: field a is cut short, malformed, or of a type that option 'avro-schema' does not have (at byte 6 of 5)"},
			{"\x00\x00\x00\x00\x01\x0e\x00", "!" + expectedAvroEnd + " (at byte 7 of 7)"},
			{"\x00\x00\x00\x00\x03\x0e", "!avro_confluent: the registry has no schema of Avro with the body's ID (schema 3: schema not found)"},
			{"\x00\x00\x00\x00\x04\x0e", "!avro_confluent: the schema with which the body is written does not fit option 'avro-schema' (schema 4: "},
			{"\x00\x00\x00\x00\x05\x00", "!avro_confluent: the schema with which the body is written does not fit option 'avro-schema' (schema 5: "},
			{"\x01\x00\x00\x00\x01\x0e", "!" + expectedAvroHeader + " (at byte 1 of 6)"},
			{"\x00\x00\x00\x00", "!" + expectedAvroHeader + " (at byte 1 of 4)"},
			{"", "!" + expectedAvroHeader},
		} {
			if got := r.summary(c.body); got != c.want && (!strings.HasPrefix(c.want, "!") || !strings.HasPrefix(got, c.want)) {
				t.Errorf("%q: got %q, expected %q", c.body, got, c.want)
			}
		}
	}
	if _, err := r.parser.Start([]byte("\x00\x00\x00\x00\x09\x0e"), &r.fields); !errors.Is(err, ErrSchemaUnread) {
		t.Errorf("a schema that is not read: got %v, expected ErrSchemaUnread", err)
	}
	if got := r.summary("\x00\x00\x00\x00\x03\x0e"); !strings.HasPrefix(got, "!") {
		t.Errorf("a schema that the registry does not have: got %q", got)
	}
	schemas[9], schemas[3] = schemas[1], schemas[1] // as if the registry got them
	for _, body := range []string{"\x00\x00\x00\x00\x03\x0e", "\x00\x00\x00\x00\x09\x0e"} {
		if got := r.summary(body); got != "7" {
			t.Errorf("%q: got %q, expected 7", body, got)
		}
	}
	symbol := newFramedReader(t, schemas, record(field("a", `{"type":"enum","name":"Other","symbols":["X"]}`)), "a")
	if got := symbol.summary("\x00\x00\x00\x00\x05\x00"); got != "X" {
		t.Errorf("a schema with a reference: got %q, expected X", got)
	}
	if got := newReader(t, "avro_confluent", record(field("a", `"int"`)), "a").summary("\x00\x00\x00\x00\x01\x0e"); !strings.Contains(got, "expected its address, option 'schema-registry'") {
		t.Errorf("without a registry: got %q", got)
	}
}

// In a list, a body whose schema is not read yet is not tried by the formats behind.
func TestConfluent_inAList(t *testing.T) {
	t.Parallel()
	f, err := New("first-of(avro_confluent, raw)", record(field("a", `"int"`)))
	if err != nil {
		t.Fatal(err)
	}
	if !ReadsRegistry(f) {
		t.Error("the list does not read the registry")
	}
	f.(RegistryFormat).UseSchemas(testSchemas{1: {Text: record(field("a", `"int"`))}})
	c, _ := f.Column([]string{"a"})
	p, slots := f.NewParser()
	r := &reader{parser: p, columns: []Column{c}}
	r.fields.Values = slices.Repeat([]value.Value{{}}, slots)
	if got := r.summary("\x00\x00\x00\x00\x01\x0e"); got != "7" {
		t.Errorf("got %q, expected 7", got)
	}
	if got := r.summary("text"); got != "NULL" {
		t.Errorf("got %q, expected a row of raw", got)
	}
	if _, err := p.Start([]byte("\x00\x00\x00\x00\x02\x0e"), &r.fields); !errors.Is(err, ErrSchemaUnread) {
		t.Errorf("got %v, expected ErrSchemaUnread", err)
	}
	plain, err := New("first-of(json, raw)", "")
	if err != nil || ReadsRegistry(plain) {
		t.Errorf("a list without the format reads the registry: %v", err)
	}
}

func TestConfluent_allocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not be called in a parallel test
	schemas := testSchemas{1: {Text: record(field("a", `"int"`))}, 2: {Text: record(field("a", `"int"`) + "," + field("b", `"string"`))}, 3: {Text: record(field("a", `"string"`))}}
	r := newFramedReader(t, schemas, record(field("a", `"double"`)+","+field("b", `"string"`, `,"default":"x"`)), "a", "b")
	bodies := [][]byte{[]byte("\x00\x00\x00\x00\x01\x0e"), []byte("\x00\x00\x00\x00\x02\x0e\x02y"), []byte("\x00\x00\x00\x00\x03\x0e"), []byte("no"), []byte("\x00\x00\x00\x00\x09\x0e")}
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range bodies {
			_, _ = r.parser.Start(b, &r.fields)
		}
	}); n != 0 {
		t.Errorf("%v allocations, expected none", n)
	}
}

// confluentPairs are schemas of writers and readers that resolve. A reader has each array and map of its writer: twmb/avro
// skips others by the sizes of their blocks, which ours does not trust.
var confluentPairs = []struct{ writer, reader string }{
	{avroSchemas[1], avroSchemas[1]},
	{avroSchemas[1], `{"type":"record","name":"A","fields":[{"name":"g","type":["null","string"]},{"name":"h","type":{"type":"enum","name":"E","symbols":["Y"],"default":"Y"}},{"name":"b","type":"double"},{"name":"a","type":["null","long"]},
		{"name":"q","type":"long","default":-3},{"name":"alias","aliases":["d"],"type":"double"},{"name":"f","type":"bytes"},{"name":"n","type":["null","int"],"default":null}]}`},
	{`{"type":"record","name":"B","fields":[{"name":"u","type":["int","null"]},{"name":"e","type":{"type":"record","name":"Z","fields":[]}},{"name":"l","type":{"type":"map","values":["null","int"]}}]}`,
		`{"type":"record","name":"B","fields":[{"name":"l","type":{"type":"map","values":["null","int"]}},{"name":"u","type":["null","long"]},{"name":"e","type":{"type":"record","name":"Z","fields":[{"name":"d","type":"string","default":"dd"}]}}]}`},
	{`{"type":"record","name":"C","fields":[{"name":"r","type":["null",{"type":"record","name":"I","fields":[{"name":"x","type":"int"},{"name":"y","type":["null","float"]}]}]}]}`,
		`{"type":"record","name":"C","fields":[{"name":"r","type":["null",{"type":"record","name":"I","fields":[{"name":"z","type":"int","default":9},{"name":"y","type":["double","null"]},{"name":"x","type":"float"}]}]}]}`},
}

// Ours and twmb/avro accept the same bodies of a writer's schema, with the same values for the reader's.
func FuzzConfluent(f *testing.F) {
	a, err := oracle.MustParse(avroSchemas[1]).Encode(map[string]any{"a": -5, "b": int64(1<<60 + 1), "c": 7, "d": float32(1.5), "e": 2.5, "f": "é", "g": "x", "h": "X", "i": []byte("zz")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), a)
	f.Add(uint8(1), a)
	f.Add(uint8(2), []byte("\x00\x0e\x00"))
	f.Add(uint8(2), []byte("\x02\x02\x02k\x02\x04\x00"))
	f.Add(uint8(3), []byte("\x02\x0e\x02\x00\x00\xc0\x3f"))
	f.Add(uint8(3), []byte("\x00"))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		pair := confluentPairs[int(which)%len(confluentPairs)]
		resolved, err := oracle.Resolve(oracle.MustParse(pair.writer), oracle.MustParse(pair.reader))
		if err != nil {
			t.Fatal(err)
		}
		var theirs map[string]any
		rest, theirErr := resolved.Decode(bytes.Clone(body), &theirs)
		if theirErr == nil && len(rest) > 0 {
			theirErr = errors.New("bytes follow")
		}
		if theirErr != nil && strings.Contains(theirErr.Error(), "overflows 32 bits") {
			return // they read the number of a union's branch with at most 5 bytes, zeros in front included
		}
		format, err := New("avro_confluent", pair.reader)
		if err != nil {
			t.Fatal(err)
		}
		names := format.Names()
		var columns []string
		for _, n := range names {
			columns = append(columns, strings.ReplaceAll(n, ".", "/"))
		}
		r := newFramedReader(t, testSchemas{7: {Text: pair.writer}}, pair.reader, columns...)
		more, err := r.parser.Start(framed(7, body), &r.fields)
		if more != (err == nil) {
			t.Fatalf("%x: a row: %v, error %v", body, more, err)
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%x of pair %d: ours says %v, twmb/avro says %v", body, which, err, theirErr)
		}
		if err != nil {
			return
		}
		for i, name := range names {
			c := r.columns[i]
			v := r.fields.Values[c.Slot]
			if c.Read != nil && v.Set {
				v = c.Read(&r.fields, v)
			}
			if r.fields.Reason != "" { // a value out of range
				r.fields.Reason, r.fields.Detail = "", ""
				continue
			}
			want := any(theirs)
			for part := range strings.SplitSeq(name, ".") {
				m, _ := want.(map[string]any)
				want = m[part]
			}
			switch want.(type) {
			case map[string]any, []any:
				continue // JSON, which FuzzAvro compares
			}
			if ours, theirs := shown(c, v), oracleShown(want); ours != theirs {
				t.Fatalf("%x of pair %d: %s is %s, expected %s", body, which, name, ours, theirs)
			}
		}
	})
}
