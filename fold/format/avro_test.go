package format

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	oracle "github.com/twmb/avro"
)

// avroRecordOf returns the schema of a record with one field f of a type.
func avroRecordOf(typ string) string {
	return `{"type":"record","name":"R","fields":[{"name":"f","type":` + typ + `}]}`
}

func TestAvro_values(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, hex, want string }{
		{`"int"`, "03", "-2"},
		{`"int"`, "ffffffff0f", "-2147483648"},
		{`"int"`, "8080808010", "!avro: expected a value of the schema: field f is cut short or malformed (at byte 1 of 5)"},
		{`"long"`, "feffffffffffffffff01", "9223372036854775807"},
		{`"long"`, "ffffffffffffffffffff01", "!avro: expected a value of the schema: field f"},
		{`"long"`, "", "!avro: expected a value of the schema: field f"},
		{`"long"`, "0200", "!" + expectedAvroEnd + " (at byte 2 of 2)"},
		{`"boolean"`, "01", "1"},
		{`"boolean"`, "00", "0"},
		{`"boolean"`, "02", "!avro: expected"},
		{`"string"`, "0678797a", "xyz"},
		{`"string"`, "00", ""},
		{`"string"`, "0878797a", "!avro: expected"},
		{`"string"`, "01", "!avro: expected"},
		{`"bytes"`, "04ff00", "\xff\x00"},
		{`{"type":"fixed","name":"F","size":3}`, "616200", "ab\x00"},
		{`{"type":"fixed","name":"F","size":3}`, "6162", "!avro: expected"},
		{`{"type":"enum","name":"E","symbols":["A","BC"]}`, "02", "BC"},
		{`{"type":"enum","name":"E","symbols":["A","BC"]}`, "04", "!avro: expected"},
		{`{"type":"enum","name":"E","symbols":["A","BC"]}`, "01", "!avro: expected"},
		{`["null","string"]`, "00", "NULL"},
		{`["null","string"]`, "020278", "x"},
		{`["string","null"]`, "02", "NULL"},
		{`["string","null"]`, "000278", "x"},
		{`["null","string"]`, "04", "!avro: expected"},
		{`["string"]`, "000278", "x"},
		{`{"type":"long","logicalType":"timestamp-millis"}`, "8091ac95ac53", "2015-05-17 10:05:03.936000"},
		{`{"type":"long","logicalType":"timestamp-micros"}`, "03", "1969-12-31 23:59:59.999998"},
		{`{"type":"long","logicalType":"local-timestamp-millis"}`, "02", "1970-01-01 00:00:00.001000"},
		{`{"type":"long","logicalType":"timestamp-millis"}`, "feffffffffffffffff01", "!f is not a time between"},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, "02", "1"},
		{`{"type":"long","logicalType":"time-micros"}`, "02", "1"},
		{`{"type":"int","logicalType":"date"}`, "02", "1970-01-02 00:00:00.000000"},
		{`{"type":"int","logicalType":"date"}`, "feffffff0f", "!f is not a time between"},
		{`{"type":"int","logicalType":"timestamp-millis"}`, "02", "1"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "0404d2", "12.34"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "04fb2e", "-12.34"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "04d8f1", "-99.99"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "04d8f0", "!f has more digits than the 4"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "042710", "!f has more digits than the 4"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "00", "!f is a decimal without bytes"},
		{`{"type":"bytes","logicalType":"decimal","precision":4}`, "24" + strings.Repeat("ff", 18), "-1"},
		{`{"type":"bytes","logicalType":"decimal","precision":38}`, "22" + "00" + strings.Repeat("ff", 16), "!f has more digits"},
		{`{"type":"bytes","logicalType":"decimal","precision":38}`, "22" + "01" + strings.Repeat("00", 16), "!f has more digits"},
		{`{"type":"bytes","logicalType":"decimal","precision":38}`, "20" + "80" + strings.Repeat("00", 15), "!f has more digits"},
		{`{"type":"bytes","logicalType":"decimal","precision":38}`, "20" + "4b3b4ca85a86c47a098a223fffffffff", strings.Repeat("9", 38)},
		{`{"type":"bytes","logicalType":"decimal","precision":38}`, "20" + "4b3b4ca85a86c47a098a224000000000", "!f has more digits"},
		{`{"type":"fixed","name":"D","size":2,"logicalType":"decimal","precision":4,"scale":4}`, "ffff", "-0.0001"},
		{`"float"`, "0000c03f", "1.5"},
		{`"float"`, "0000c0", "!avro: expected"},
		{`"float"`, "0000c07f", "!f is not a finite number"},
		{`"double"`, "000000000000f8bf", "-1.5"},
		{`"double"`, "000000000000f07f", "!f is not a finite number"},
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

// Times without a zone are in the program's zone.
func TestAvro_localTimes(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]string{
		`{"type":"int","logicalType":"date"}`:                    "1970-01-01 23:00:00.000000",
		`{"type":"long","logicalType":"local-timestamp-micros"}`: "1969-12-31 23:00:00.000001",
		`{"type":"long","logicalType":"timestamp-micros"}`:       "1970-01-01 00:00:00.000001",
	} {
		r := newReader(t, "avro", avroRecordOf(typ), "f")
		r.fields.Times.Zone = vienna
		if got := r.summary("\x02"); got != want {
			t.Errorf("%s is %s, expected %s", typ, got, want)
		}
	}
}

const avroNested = `{"type":"record","name":"Hit","namespace":"log","fields":[
	{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"tags","type":{"type":"map","values":["null","string","int"]}},
	{"name":"client","type":["null",{"type":"record","name":"Client","fields":[
		{"name":"ip","type":"string"},{"name":"port","type":["null","int"]},{"name":"via","type":["null","Client"]}]}]},
	{"name":"empty","type":{"type":"array","items":"null"}},
	{"name":"list","type":{"type":"array","items":"log.Client"}},
	{"name":"server","type":"Client"},
	{"name":"Status","type":"int"},{"name":"status","type":"string"},
	{"name":"body","type":"bytes"}]}`

func avroNestedBody(tb testing.TB, client any) []byte {
	tb.Helper()
	one := map[string]any{"ip": "10.0.0.1", "port": 80, "via": nil}
	b, err := oracle.MustParse(avroNested).Encode(map[string]any{
		"ts": time.UnixMilli(1431857103936), "tags": map[string]any{"a": "x", "b": 1, "c": nil}, "client": client, "empty": []any{nil, nil},
		"list": []any{one, one}, "server": map[string]any{"ip": "192.0.2.1", "port": nil, "via": one}, "Status": 200, "status": "ok", "body": []byte("b"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestAvro_nested(t *testing.T) {
	t.Parallel()
	f, err := New("avro", avroNested)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(f.Names(), " "), "ts tags client.ip client.port client.via empty list server.ip server.port server.via Status status body"; got != want {
		t.Errorf("the names are %s, expected %s", got, want)
	}
	r := newReader(t, "avro", avroNested, "status", "Status", "server/ip", "server/port", "server/via/ip", "server/via/via/ip", "client/ip", "CLIENT/Port", "ts", "body")
	for _, c := range []struct {
		client any
		want   string
	}{
		{map[string]any{"ip": "10.0.0.2", "port": 81, "via": map[string]any{"ip": "10.0.0.3", "port": nil, "via": nil}}, "10.0.0.2|81"},
		{nil, "NULL|NULL"},
	} {
		body := avroNestedBody(t, c.client)
		if got, want := r.summary(string(body)), "ok|200|192.0.2.1|NULL|10.0.0.1|NULL|"+c.want+"|2015-05-17 10:05:03.936000|b"; got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
		for n := range body {
			if got := r.summary(string(body[:n])); !strings.HasPrefix(got, "!avro: expected a value of the schema") {
				t.Fatalf("the first %d of %d bytes are %s, expected an error", n, len(body), got)
			}
		}
		if got := r.summary(string(body) + "\x00"); !strings.HasPrefix(got, "!"+expectedAvroEnd) {
			t.Errorf("a byte more is %s, expected an error", got)
		}
	}
	for path, want := range map[string]string{
		"tags.a": `tags is of the type map in the schema, so its column is JSON: write tags->>'$."a"'`, "client.nosuch": "", "STATUS": "", "nosuch": "", "ts.x": "",
		"list.ip.x": `list is of the type array in the schema, so its column is JSON: write list->>'$."ip"."x"'`,
	} {
		if _, ok := f.Column(strings.Split(path, ".")); ok {
			t.Errorf("%s is a column, expected none", path)
		}
		if got := f.(ReasonedFormat).Rejected(strings.Split(path, ".")); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: got the reason %q, expected %q", path, got, want)
		}
	}
}

func TestAvro_schemas(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{`:        "cannot read the definition of avro",
		`"string"`: "the outermost type is string, must be a record",
		`{"type":"record","name":"R","fields":[]}`: "no field of the record is a column",
		avroRecordOf(`["null"]`):                   "no field of the record is a column",
		avroRecordOf(`"R"`):                        "a record contains itself",
		avroRecordOf(`{"type":"record","name":"S","fields":[{"name":"r","type":"R"}]}`): "a record contains itself",
		avroRecordOf(`"nosuch"`): "nosuch",
		avroRecordOf(`{"type":"bytes","logicalType":"decimal","precision":4,"scale":5}`): "decimal",
		strings.Repeat(" ", maxAvroSchema) + avroRecordOf(`"int"`):                       "expected at most 1048576",
	} {
		if _, err := New("avro", schema); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: got the error %v, expected %s", schema, err, want)
		}
	}
	for typ, want := range map[string]string{
		`"null"`:   "is always null",
		`["null"]`: "is always null",
		`{"type":"bytes","logicalType":"decimal","precision":39}`:            "is a decimal of 39 digits in the schema, must have at most 38",
		`{"type":"bytes","logicalType":"decimal","precision":38,"scale":31}`: "is a decimal with 31 digits after the point in the schema, must have at most 30",
	} {
		f, err := New("avro", `{"type":"record","name":"R","fields":[{"name":"g","type":"int"},{"name":"f","type":`+typ+`}]}`)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := f.(ReasonedFormat).Rejected([]string{"f"}); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got the reason %q, expected %q", typ, got, want)
		}
	}
}

// Neither the depth of a body nor the number of items without bytes costs more than its length.
func TestAvro_hostileBodies(t *testing.T) {
	t.Parallel()
	deep := newReader(t, "avro", `{"type":"record","name":"R","fields":[{"name":"n","type":"int"},{"name":"r","type":["null","R"]}]}`, "n", "r/r/n")
	for levels, fails := range map[int]bool{100: false, 10_000_000: true} {
		if got := deep.summary(strings.Repeat("\x02\x02", levels) + "\x02\x00"); strings.HasPrefix(got, "!") != fails {
			t.Errorf("%d levels: got %s, expected an error: %v", levels, got, fails)
		}
	}
	empty := newReader(t, "avro", `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"null"}},{"name":"n","type":"int"}]}`, "n")
	for _, c := range []struct{ hex, want string }{
		{"feffffffffffffffff01" + "00" + "04", "2"},
		{"fdffffffffffffffff01" + "00" + "00" + "04", "2"}, // a negative count has a size behind it
		{"ffffffffffffffffff01" + "00" + "00" + "04", "!avro"},
		{"02" + "04", "!avro"},
	} {
		b, _ := hex.DecodeString(c.hex)
		if got := empty.summary(string(b)); got != c.want && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, expected %s", c.hex, got, c.want)
		}
	}
}

// Records within records without columns are read a bounded number of times, however often each is within another.
func TestAvro_manyEmptyRecords(t *testing.T) {
	t.Parallel()
	for leaf, want := range map[string]int{`"null"`: 1, `{"type":"array","items":"int"}`: maxAvroNames} {
		schema := `{"type":"record","name":"A0","fields":[{"name":"f","type":` + leaf + `}]}`
		for i := range 40 {
			schema = fmt.Sprintf(`{"type":"record","name":"A%d","fields":[{"name":"a","type":%s},{"name":"b","type":"A%d"}]}`, i+1, schema, i)
		}
		f, err := New("avro", `{"type":"record","name":"R","fields":[{"name":"n","type":"int"},{"name":"r","type":`+schema+`}]}`)
		if err != nil {
			t.Fatal(err)
		}
		if names := f.Names(); len(names) != want || names[0] != "n" {
			t.Errorf("got %d columns, %v…, expected n and %d in all", len(names), names[0], want)
		}
	}
	schema := `{"type":"record","name":"A0","fields":[{"name":"f","type":"null"}]}`
	for i := range 40 {
		schema = fmt.Sprintf(`{"type":"record","name":"A%d","fields":[{"name":"a","type":%s},{"name":"b","type":"A%d"}]}`, i+1, schema, i)
	}
	r := newReader(t, "avro", `{"type":"record","name":"R","fields":[{"name":"n","type":"int"},{"name":"r","type":`+schema+`}]}`, "n")
	if got := r.summary("\x04"); got != "2" {
		t.Errorf("got %s, expected 2", got)
	}
}

func TestAvro_inAList(t *testing.T) {
	t.Parallel()
	testBodies(t, "first-of(avro, json, raw)", avroRecordOf(`["null","string"]`), []bodyCase{
		{"_format avro/f json/f raw/body", "\x02\x04a\n", "avro|a\n|NULL|NULL"},
		{"_format avro/f json/f raw/body", `{"f":1}`, "json|NULL|1|NULL"},
		{"_format avro/f raw/body", "\x02\x04a", "raw|NULL|\x02\x04a"},
	})
	f, err := New("first-of(avro,raw)", `{"type":"record","name":"R","fields":[{"name":"g","type":"int"},{"name":"f","type":"null"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"f": "is always null", "avro.f": "is always null", "raw.f": "", "g": "", "body": ""} {
		if got := f.(ReasonedFormat).Rejected(strings.Split(path, ".")); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: got the reason %q, expected %q", path, got, want)
		}
	}
}

func TestAvro_allocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not be called in a parallel test
	r := newReader(t, "avro", avroNested, "status", "server/ip", "client/port", "ts", "body")
	good := avroNestedBody(t, map[string]any{"ip": "10.0.0.2", "port": 81, "via": nil})
	decimal := newReader(t, "avro", avroRecordOf(`{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}`), "f")
	for _, c := range []struct {
		r    *reader
		body []byte
	}{{r, good}, {r, good[:len(good)-1]}, {decimal, []byte("\x04\x04\xd2")}} {
		if n := testing.AllocsPerRun(100, func() {
			more, err := c.r.parser.Start(c.body, &c.r.fields)
			for _, column := range c.r.columns {
				if v := c.r.fields.Values[column.Slot]; more && err == nil && column.Read != nil && v.Set {
					column.Read(&c.r.fields, v)
				}
			}
		}); n != 0 {
			t.Errorf("%x: %v allocations for a record, expected none", c.body, n)
		}
	}
}

// avroSchemas are the schemas that the fuzz target takes. They have no boolean, for which twmb/avro takes any byte, where
// the specification has 0 and 1.
var avroSchemas = []string{
	avroNested,
	`{"type":"record","name":"A","fields":[{"name":"a","type":"int"},{"name":"b","type":"long"},{"name":"c","type":{"type":"int","logicalType":"date"}},{"name":"d","type":"float"},{"name":"e","type":"double"},{"name":"f","type":"string"},
		{"name":"g","type":["string","null"]},{"name":"h","type":{"type":"enum","name":"E","symbols":["X","Y"]}},{"name":"i","type":{"type":"fixed","name":"F","size":2}}]}`,
	`{"type":"record","name":"B","fields":[{"name":"a","type":["int","string",{"type":"array","items":{"type":"map","values":"long"}}]},
		{"name":"b","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},{"name":"c","type":["null",{"type":"long","logicalType":"timestamp-micros"}]}]}`,
}

// Ours and twmb/avro accept the same bodies, with the same values.
func FuzzAvro(f *testing.F) {
	f.Add(uint8(0), avroNestedBody(f, nil))
	f.Add(uint8(0), avroNestedBody(f, map[string]any{"ip": "10.0.0.2", "port": 81, "via": nil}))
	a, err := oracle.MustParse(avroSchemas[1]).Encode(map[string]any{"a": -5, "b": int64(math.MaxInt64), "c": 7, "d": float32(1.5), "e": 2.5, "f": "é", "g": "x", "h": "Y", "i": []byte("zz")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(1), a)
	b, err := oracle.MustParse(avroSchemas[2]).Encode(map[string]any{"a": []any{map[string]any{"x": 1}, map[string]any{}}, "b": big.NewRat(-12345, 1000), "c": time.UnixMicro(1431857103936000)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(2), b)
	f.Add(uint8(2), []byte("\x00\x02\x02\x05\x00"))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		schema := avroSchemas[int(which)%len(avroSchemas)]
		parsed := oracle.MustParse(schema)
		var theirs map[string]any
		rest, theirErr := parsed.Decode(bytes.Clone(body), &theirs)
		if theirErr == nil && len(rest) > 0 {
			theirErr = errors.New("bytes follow")
		}
		format, err := New("avro", schema)
		if err != nil {
			t.Fatal(err)
		}
		names := format.Names()
		var columns []string
		for _, n := range names {
			columns = append(columns, strings.ReplaceAll(n, ".", "/"))
		}
		r := newReader(t, "avro", schema, columns...)
		more, err := r.parser.Start(body, &r.fields)
		if more != (err == nil) {
			t.Fatalf("%x: a row: %v, error %v", body, more, err)
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%x of %s: ours says %v, twmb/avro says %v", body, schema, err, theirErr)
		}
		if err != nil {
			return
		}
		for i, name := range names {
			if _, of, _, _ := format.(*avroFormat).find(strings.Split(name, ".")); of.isNested() {
				continue // FuzzAvroJSON compares them
			}
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
			if ours, theirs := shown(c, v), oracleShown(want); ours != theirs {
				t.Fatalf("%x of %s: %s is %s, expected %s", body, schema, name, ours, theirs)
			}
		}
	})
}

func oracleShown(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return map[bool]string{true: "1", false: "0"}[v]
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case *big.Rat:
		return v.FloatString(3)
	case big.Rat:
		return v.FloatString(3)
	}
	return fmt.Sprint(v)
}

// BenchmarkAvro reads three fields of a record, and compares with twmb/avro, which decodes all of it into a map.
func BenchmarkAvro(b *testing.B) {
	body := avroNestedBody(b, map[string]any{"ip": "10.0.0.2", "port": 81, "via": nil})
	b.Run("parser", func(b *testing.B) {
		r := newReader(b, "avro", avroNested, "status", "client/ip", "ts")
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if more, err := r.parser.Start(body, &r.fields); !more || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("reference", func(b *testing.B) {
		schema := oracle.MustParse(avroNested)
		var v map[string]any
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := schema.Decode(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
